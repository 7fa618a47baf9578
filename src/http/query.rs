//! The parameters after the `?`.

use std::ops::RangeInclusive;

use jddb_core::ids::{PositionEncoding, Version};
use jddb_core::room::{Dialect, EventId, Greeting};
use jddb_core::translation::{Language, ProjectId};
use jddb_exchange::terms::Format;

use super::error::HttpError;
use crate::auth::percent_decode;
use crate::config;
use crate::cores::{INTERVAL_SECONDS_MAX, INTERVAL_SECONDS_MIN};

/// What a version has to be.
const VERSION: &str = "a whole number of at least 0, once";

/// A request's query. Parameters that a route does not know are passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(Option<&'a str>);

/// A parameter that is not what it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadParameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it has to be.
    pub(super) expected: &'static str,
}

impl From<BadParameter> for HttpError {
    fn from(bad: BadParameter) -> Self {
        Self::invalid(bad.name, bad.expected)
    }
}

impl<'a> Query<'a> {
    /// The query as it stands in the request's target.
    pub(super) const fn new(query: Option<&'a str>) -> Self {
        Self(query)
    }

    /// `version`.
    pub(super) fn version(self) -> Result<Option<Version>, BadParameter> {
        self.read_version("version")
    }

    /// A version that has to be named.
    pub(super) fn version_named(self, name: &'static str) -> Result<Version, BadParameter> {
        self.read_version(name)?.ok_or(BadParameter { name, expected: VERSION })
    }

    fn read_version(self, name: &'static str) -> Result<Option<Version>, BadParameter> {
        let number = |text: &str| {
            let is_plain = text.bytes().all(|b| b.is_ascii_digit());
            if is_plain { text.parse().ok().map(Version) } else { None }
        };
        self.read(name, VERSION, number)
    }

    /// `user_id`.
    pub(super) fn user_id(self) -> Result<Option<String>, BadParameter> {
        let fits = |text: &str| (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
        let expected = "1 to 128 bytes without control characters, once";
        self.read("user_id", expected, |text| fits(text).then(|| text.to_owned()))
    }

    /// `document_id`, whatever it may be.
    pub(super) fn document_id(self) -> Result<Option<String>, BadParameter> {
        self.read("document_id", "the id of a document, once", |text| Some(text.to_owned()))
    }

    /// `project_id`.
    pub(super) fn project_id(self) -> Result<Option<ProjectId>, BadParameter> {
        self.read("project_id", "a name matching ^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$, once", |text| {
            ProjectId::new(text).ok()
        })
    }

    /// A parameter that names a language.
    pub(super) fn language(self, name: &'static str) -> Result<Option<Language>, BadParameter> {
        self.read(name, "a language such as en, fr or fr-CA, once", |text| Language::of_tag(text).ok())
    }

    /// A parameter that is a text of so many bytes.
    pub(super) fn text(
        self,
        name: &'static str,
        expected: &'static str,
        bytes_max: usize,
    ) -> Result<Option<Box<str>>, BadParameter> {
        let fits = |text: &str| (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control);
        self.read(name, expected, |text| fits(text).then(|| text.into()))
    }

    /// A parameter that is a whole number.
    pub(super) fn number(
        self,
        name: &'static str,
        expected: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, BadParameter> {
        self.read(name, expected, |text| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { text.parse().ok().filter(|number| range.contains(number)) } else { None }
        })
    }

    /// `reviewed`; it is not, without.
    pub(super) fn reviewed(self) -> Result<bool, BadParameter> {
        Ok(self.read("reviewed", "true or false, once", |text| text.parse().ok())?.unwrap_or(false))
    }

    /// `format` of a glossary as a file.
    pub(super) fn format(self) -> Result<Option<Format>, BadParameter> {
        self.read("format", "csv or tbx, once", |text| match text {
            "csv" => Some(Format::Csv),
            "tbx" => Some(Format::Tbx),
            _ => None,
        })
    }

    /// `include_metadata`; it is, without.
    pub(super) fn include_metadata(self) -> Result<bool, BadParameter> {
        let given = self.read("include_metadata", "true or false, once", |text| text.parse().ok())?;
        Ok(given.unwrap_or(true))
    }

    /// `position_encoding`; UTF-16 without.
    pub(super) fn position_encoding(self) -> Result<PositionEncoding, BadParameter> {
        let expected = "utf-16, utf-32 or utf-8, once";
        Ok(self.read("position_encoding", expected, PositionEncoding::from_name)?.unwrap_or_default())
    }

    /// `position_encoding` and `positions`.
    pub(super) fn dialect(self) -> Result<Dialect, BadParameter> {
        let over_document = self.read("positions", "section or document, once", |text| match text {
            "section" => Some(false),
            "document" => Some(true),
            _ => None,
        })?;
        Ok(Dialect { encoding: self.position_encoding()?, over_document: over_document.unwrap_or(false) })
    }

    /// Whether `mode` asks for viewing only.
    pub(super) fn only_views(self) -> Result<bool, BadParameter> {
        let given = self.read("mode", "view or edit, once", |text| match text {
            "view" => Some(true),
            "edit" => Some(false),
            _ => None,
        })?;
        Ok(given.unwrap_or(false))
    }

    /// `greeting`; the server's setting without.
    pub(super) fn greeting(self, setting: config::Greeting) -> Result<Greeting, BadParameter> {
        let given = self.read("greeting", "on-connect or on-join, once", |text| match text {
            "on-connect" => Some(Greeting::OnConnect),
            "on-join" => Some(Greeting::OnJoin),
            _ => None,
        })?;
        Ok(given.unwrap_or(match setting {
            config::Greeting::OnConnect => Greeting::OnConnect,
            config::Greeting::OnJoin => Greeting::OnJoin,
        }))
    }

    /// `last_event_id`.
    pub(super) fn last_event_id(self) -> Result<Option<EventId>, BadParameter> {
        self.read("last_event_id", "the id of an event, such as 42 or 42.1, once", EventId::parse)
    }

    /// `interval` of monitoring, in seconds; 1 without.
    pub(super) fn interval_seconds(self) -> Result<usize, BadParameter> {
        let range = INTERVAL_SECONDS_MIN..=INTERVAL_SECONDS_MAX;
        let given = self.number("interval", "a whole number of seconds from 1 to 60, once", range)?;
        Ok(given.unwrap_or(INTERVAL_SECONDS_MIN))
    }

    /// `source_lang` and `target_lang`, as far as they are there: languages that are translated, and not the same.
    pub(super) fn languages(self) -> Result<[Option<Language>; 2], BadParameter> {
        let expected = "en or fr, with or without a region, once";
        let supported =
            |tag: &str| Language::of_tag(tag).ok().filter(|language| Language::SUPPORTED.contains(language));
        let source = self.read("source_lang", expected, supported)?;
        let target = self.read("target_lang", expected, supported)?;
        if source.is_some() && source == target {
            return Err(BadParameter { name: "target_lang", expected: "another language than source_lang" });
        }
        Ok([source, target])
    }

    /// The parameter's value, if it is there.
    fn read<T>(
        self,
        name: &'static str,
        expected: &'static str,
        value: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadParameter> {
        let bad = BadParameter { name, expected };
        let pairs = self.0.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut texts = pairs.filter(|(key, _)| *key == name).map(|(_, text)| text);
        let Some(text) = texts.next() else { return Ok(None) };
        if texts.next().is_some() {
            return Err(bad);
        }
        let text = percent_decode(text).ok_or(bad)?;
        value(&text).map(Some).ok_or(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query<'_> {
        Query::new(Some(text))
    }

    #[test]
    fn without_parameters_the_defaults_hold() {
        for none in [Query::new(None), query(""), query("token=a.b.c&&x"), query("Version=1")] {
            assert_eq!(none.version(), Ok(None));
            assert_eq!(none.include_metadata(), Ok(true));
            assert_eq!(none.reviewed(), Ok(false));
            assert_eq!(none.dialect(), Ok(Dialect::default()));
            assert_eq!(none.only_views(), Ok(false));
            assert_eq!(none.last_event_id(), Ok(None));
            assert_eq!(none.interval_seconds(), Ok(1));
            assert_eq!(none.greeting(config::Greeting::OnJoin), Ok(Greeting::OnJoin));
        }
    }

    #[test]
    fn values_are_read() {
        assert_eq!(query("version=42").version(), Ok(Some(Version(42))));
        assert_eq!(query("a=b&version=%34%32").version(), Ok(Some(Version(42))));
        assert_eq!(query("to=1&from=%37").version_named("from"), Ok(Version(7)));
        assert_eq!(query("user_id=a%2Fb").user_id(), Ok(Some("a/b".to_owned())));
        assert_eq!(query("project_id=hr").project_id(), Ok(ProjectId::new("hr").ok()));
        assert_eq!(query("source_language=fr-CA").language("source_language"), Ok(Some(Language::FRENCH)));
        assert_eq!(query("q=%C3%A9t").text("q", "1 to 3 bytes", 3), Ok(Some("ét".into())));
        assert_eq!(query("reviewed=true").reviewed(), Ok(true));
        assert_eq!(query("format=tbx").format(), Ok(Some(Format::Tbx)));
        assert_eq!(query("include_metadata=false").include_metadata(), Ok(false));
        let dialect = Dialect { encoding: PositionEncoding::Utf32, over_document: true };
        assert_eq!(query("positions=document&position_encoding=utf-32").dialect(), Ok(dialect));
        assert_eq!(query("mode=view").only_views(), Ok(true));
        let id = query("last_event_id=42.1").last_event_id().unwrap();
        assert_eq!(id.map(|id| id.to_string()).as_deref(), Some("42.1"));
        assert_eq!(query("interval=60").interval_seconds(), Ok(60));
        let (english, french) = (Some(Language::ENGLISH), Some(Language::FRENCH));
        assert_eq!(query("source_lang=en-CA&target_lang=FR").languages(), Ok([english, french]));
        assert_eq!(query("target_lang=fr").languages(), Ok([None, french]));
        assert_eq!(query("greeting=on-join").greeting(config::Greeting::OnConnect), Ok(Greeting::OnJoin));
    }

    #[test]
    fn what_is_wrong_is_named() {
        fn check<T: std::fmt::Debug>(result: Result<T, BadParameter>, name: &str) {
            assert_eq!(result.unwrap_err().name, name);
        }
        for bad in ["", "x", "-1", "+1", "1.5", "18446744073709551616", "%", "1&version=1"] {
            check(query(&format!("version={bad}")).version(), "version");
        }
        check(query("version").version(), "version");
        for bad in ["", "version=1", "from=x", "from=1&from=2"] {
            check(query(bad).version_named("from"), "from");
        }
        for bad in ["", "0", "61", "1.5", "-1", "+1", "1s", "99999999999999999999", "1&interval=1"] {
            check(query(&format!("interval={bad}")).interval_seconds(), "interval");
        }
        check(query("last_event_id=x").last_event_id(), "last_event_id");
        for bad in ["", "%00", &"x".repeat(129), "a&user_id=b", "%ff"] {
            check(query(&format!("user_id={bad}")).user_id(), "user_id");
        }
        check(query("document_id=a&document_id=b").document_id(), "document_id");
        check(query("project_id=a/b").project_id(), "project_id");
        check(query("target_language=english").language("target_language"), "target_language");
        for bad in ["", "%00", "aaaa", "a&q=b"] {
            check(query(&format!("q={bad}")).text("q", "1 to 3 bytes", 3), "q");
        }
        check(query("format=tmx").format(), "format");
        check(query("include_metadata=yes").include_metadata(), "include_metadata");
        check(query("position_encoding=utf16").dialect(), "position_encoding");
        check(query("positions=whole").dialect(), "positions");
        check(query("mode=VIEW").only_views(), "mode");
        for bad in ["de", "english", "", "en&source_lang=en", "e", "%ff"] {
            check(query(&format!("source_lang={bad}")).languages(), "source_lang");
        }
        for bad in ["target_lang=de", "source_lang=en&target_lang=en-CA", "target_lang"] {
            check(query(bad).languages(), "target_lang");
        }
        check(query("greeting=never").greeting(config::Greeting::OnConnect), "greeting");
    }
}
