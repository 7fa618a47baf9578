//! The store from outside: what it keeps, what it notices, and what survives.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod catalogue;
mod commit;
mod crash;
mod damage;
mod directory;
mod documents;
mod epochs;
mod glossary;
mod history;
mod logins;
mod power;
mod snapshots;
mod support;
mod translations;
