//! SIGHUP: the configuration is read again while the server runs.
//!
//! It is taken as a whole or not at all. Of what has changed the settings that can change in a running server do
//! ([`Setting::is_live`](crate::config::Setting::is_live)); of the others the log says that they need a restart. The files of
//! the certificate are read again too.

use std::sync::Arc;

use crate::auth::Authority;
use crate::config::{self, Auth, Config, Sources};
use crate::cores::CoreMessage;
use crate::logging::FilterHandle;
use crate::shared::Shared;
use crate::tls::Tls;

/// What it takes to read the configuration again.
#[derive(Debug)]
pub(crate) struct Reloader {
    /// The settings in force.
    config: Config,
    sources: Sources,
    log: FilterHandle,
    /// It listens on what others than this machine reach.
    is_reached: bool,
}

impl Reloader {
    /// `config` is in force, and was read from `sources`; `is_reached` by others than this machine, a server needs a key of
    /// its operator's.
    pub(crate) const fn new(config: Config, sources: Sources, log: FilterHandle, is_reached: bool) -> Self {
        Self { config, sources, log, is_reached }
    }

    /// Reads the configuration again. The log says what came of it.
    pub(crate) fn reload(&mut self, shared: &Shared) {
        match config::load(&self.sources) {
            Ok(loaded) => self.adopt(&loaded.config, shared),
            Err(errors) => {
                for line in errors.to_string().lines() {
                    tracing::error!("reload: {line}");
                }
                tracing::error!("reload: the configuration is wrong, all settings stay as they are");
            }
        }
    }

    fn adopt(&mut self, read: &Config, shared: &Shared) {
        // The settings may be as they were and the files that they name not.
        let read = &Config { auth: self.adopt_keys(read, shared), ..read.clone() };
        let (mut applied, mut waiting) = (0, 0);
        for (setting, before, after) in config::changed(&self.config, read) {
            if setting.is_live() {
                applied += 1;
                tracing::info!("reload: {} was {before} and is {after}", setting.key);
            } else {
                waiting += 1;
                tracing::warn!("reload: {} stays {before} until a restart makes it {after}", setting.key);
            }
        }
        self.config.auth = read.auth.clone();
        if self.config.limits != read.limits {
            self.config.limits = read.limits.clone();
            shared.request_rates.configure(&read.limits);
            let limits = Arc::new(read.limits.clone());
            shared.tell_cores(|| CoreMessage::Reload(Arc::clone(&limits)));
        }
        if let Some(tls) = &shared.tls {
            reload_certificate(tls);
        }
        tracing::info!(applied, waiting, "reload: the configuration was read again");
        // Last, so that what is in the log now is there by the filter that was in force.
        if self.config.log.filter != read.log.filter {
            match self.log.set(&read.log.filter) {
                Ok(()) => self.config.log.filter.clone_from(&read.log.filter),
                Err(error) => tracing::error!("reload: {error}"),
            }
        }
    }

    /// Reads the keys again. Connections that are open stay; what they showed was good. Returns the settings that are in
    /// force now: where the keys cannot be read, those that were.
    fn adopt_keys(&self, read: &Config, shared: &Shared) -> Auth {
        // The key that a server makes for itself is for those who try it out.
        if self.is_reached && !read.auth.has_key() {
            tracing::error!(
                "reload: no key is configured, and others reach this server: the keys and all of [auth] stay as they are; \
                 set auth.key_file"
            );
            return self.config.auth.clone();
        }
        match Authority::open(read) {
            Ok(authority) => {
                tracing::info!(keys = %authority.keys(), "reload: the keys were read again");
                shared.authority.store(Arc::new(authority));
                read.auth.clone()
            }
            Err(error) => {
                tracing::error!("reload: {error}; the keys and all of [auth] stay as they are");
                self.config.auth.clone()
            }
        }
    }
}

/// Connections that are open keep the certificate that they were opened with.
fn reload_certificate(tls: &Tls) {
    match tls.reload() {
        Ok(()) => tracing::info!("reload: new connections get the certificate that is in its file now"),
        Err(error) => tracing::error!("reload: {error}; the certificate in force stays"),
    }
}
