//! `check-config`: the settings in force, as a TOML file that would set them; the certificate's files are looked at too.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Failure, print};
use crate::config::{Loaded, SETTINGS};
use crate::tls::Tls;

pub(super) fn run(loaded: &Loaded) -> Result<(), Failure> {
    Tls::open(&loaded.config.tls).map_err(|error| Failure::Usage(error.to_string()))?;
    let values = serde_json::to_value(&loaded.config).map_err(Failure::runtime)?;
    let mut text = String::new();
    for setting in SETTINGS {
        let value = values.pointer(&format!("/{}", setting.key.replace('.', "/")));
        let origin = loaded.origin(setting.key).unwrap_or("default");
        let line = match value {
            None | Some(Value::Null) => format!("# {} is not set", setting.key),
            Some(value) => format!("{} = {value}", setting.key),
        };
        writeln!(text, "{line:<56} # {origin}").map_err(Failure::runtime)?;
    }
    print(text.trim_end())
}
