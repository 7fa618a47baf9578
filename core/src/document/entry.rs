//! What is known of a document beside its texts: whether there is one, what it is called, who has locked it.

use crate::ids::{UnixMillis, Version};

/// The most properties of one document.
pub const PROPERTIES_MAX: usize = 16;
/// The longest value of a property, in bytes.
pub const PROPERTY_BYTES_MAX: usize = 512;

/// What is known of a document beside its texts. It is the same for all of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Whether there is such a document: from its first change until it is deleted.
    pub exists: bool,
    /// The version it begins after: the one of its last deletion, 0 if it never was deleted. No number up to that one is
    /// used again.
    pub origin: Version,
    /// What people say of it.
    pub properties: Properties,
    /// Who keeps others from editing it.
    pub lock: Option<Lock>,
}

/// A document's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The one who may still edit.
    pub holder: Box<str>,
    /// Why, as the others are told.
    pub reason: Option<Box<str>>,
    /// Since when.
    pub since: UnixMillis,
    /// When it ends by itself, if it does.
    pub expires_at: Option<UnixMillis>,
}

impl Lock {
    /// Whether it is in force.
    #[must_use]
    pub fn holds(&self, now: UnixMillis) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

impl Entry {
    /// The lock that keeps this user from editing, if one does.
    #[must_use]
    pub fn lock_against(&self, now: UnixMillis, user_id: &str) -> Option<&Lock> {
        self.lock_in_force(now).filter(|lock| *lock.holder != *user_id)
    }

    /// The lock, while it is in force.
    #[must_use]
    pub fn lock_in_force(&self, now: UnixMillis) -> Option<&Lock> {
        self.lock.as_ref().filter(|lock| lock.holds(now))
    }
}

/// Named texts that people give a document: its `title`, its `language`, and what else they need. Bounded in number and
/// size, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<(Box<str>, Box<str>)>);

/// Why a property is not taken: what was expected instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// There is no property of that name, or it has no such value.
    #[error("{0}")]
    Invalid(&'static str),
    /// There are as many as there may be.
    #[error("at most 16 properties")]
    TooMany,
}

impl Properties {
    /// The document's title.
    pub const TITLE: &'static str = "title";
    /// Its language, as a tag of BCP 47.
    pub const LANGUAGE: &'static str = "language";
    /// The state of its translation, one word.
    pub const TRANSLATION_STATUS: &'static str = "translation_status";
    /// What the server says of a document itself: nobody sets these.
    pub const OF_THE_SERVER: [&'static str; 3] = ["last_modified", "last_modified_by", "word_count"];

    /// Sets a property.
    ///
    /// # Errors
    /// The name or the value is none, or there are too many.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PropertyError> {
        Self::check_name(name)?;
        check_value(name, value)?;
        match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(index) => self.0[index].1 = value.into(),
            Err(_) if self.0.len() >= PROPERTIES_MAX => return Err(PropertyError::TooMany),
            Err(index) => self.0.insert(index, (name.into(), value.into())),
        }
        Ok(())
    }

    /// Whether there can be a property of that name.
    ///
    /// # Errors
    /// There cannot.
    pub fn check_name(name: &str) -> Result<(), PropertyError> {
        let mut bytes = name.bytes();
        let begins = bytes.next().is_some_and(|first| first.is_ascii_lowercase());
        let goes_on = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let is_name = begins && goes_on && name.len() <= 64;
        if is_name { Ok(()) } else { Err(PropertyError::Invalid("names matching ^[a-z][a-z0-9_]{0,63}$")) }
    }

    /// A property's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[index].1)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

fn check_value(name: &str, value: &str) -> Result<(), PropertyError> {
    let (fits, expected) = match name {
        Properties::LANGUAGE => (is_language(value), "a language tag like en or fr-CA, of at most 35 characters"),
        Properties::TRANSLATION_STATUS => {
            (is_word(value), "one word like in_progress: lower-case letters and underscores, at most 32")
        }
        _ => {
            let is_short = (1..=PROPERTY_BYTES_MAX).contains(&value.len());
            (is_short && !value.chars().any(char::is_control), "1 to 512 bytes without control characters")
        }
    };
    if fits { Ok(()) } else { Err(PropertyError::Invalid(expected)) }
}

/// The shape of a tag of BCP 47; whether it is registered is not looked up.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    let is_primary = (2..=8).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.len() <= 35 && is_primary && parts.all(is_subtag)
}

fn is_word(word: &str) -> bool {
    let begins = word.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    begins && word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, is_taken: bool) {
        let mut properties = Properties::default();
        assert_eq!(properties.set(name, value).is_ok(), is_taken, "{name} = {value:?}");
        assert_eq!(properties.get(name), is_taken.then_some(value));
    }

    #[test]
    fn only_names_and_values_within_their_bounds_are_taken() {
        check("title", "Director, Business Analysis", true);
        check("title", "", false);
        check("title", "a\nb", false);
        check("title", &"é".repeat(256), true);
        check("title", &"é".repeat(257), false);
        for (tag, is_taken) in
            [("en", true), ("fr-CA", true), ("zh-Hant-TW", true), ("e", false), ("en-", false), ("en_CA", false)]
        {
            check("language", tag, is_taken);
        }
        for (word, is_taken) in [("in_progress", true), ("In progress", false), ("", false), ("_a", false)] {
            check("translation_status", word, is_taken);
        }
        check(&"a".repeat(64), "x", true);
        for name in ["", "Title", "9a", "a-b", &"a".repeat(65)] {
            check(name, "x", false);
        }
    }

    #[test]
    fn they_are_counted_and_replaced_by_name() {
        let mut properties = Properties::default();
        for number in (0..PROPERTIES_MAX).rev() {
            properties.set(&format!("p{number:02}"), "x").unwrap();
        }
        assert_eq!(properties.set("one_more", "x"), Err(PropertyError::TooMany));
        properties.set("p03", "y").unwrap();
        assert_eq!((properties.iter().count(), properties.get("p03")), (PROPERTIES_MAX, Some("y")));
        assert!(properties.iter().is_sorted());
    }

    #[test]
    fn a_lock_ends_at_its_moment_and_spares_its_holder() {
        let lock = Lock { holder: "ada".into(), reason: None, since: UnixMillis(5), expires_at: Some(UnixMillis(10)) };
        let entry = Entry { lock: Some(lock), ..Entry::default() };
        assert!(entry.lock_against(UnixMillis(9), "bob").is_some());
        assert!(entry.lock_against(UnixMillis(9), "ada").is_none());
        assert!(entry.lock_against(UnixMillis(10), "bob").is_none());
    }
}
