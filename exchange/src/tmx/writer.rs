//! Writing entries as a translation memory.

use std::fmt::Write as _;
use std::io::{self, Write};

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{Entry, ProjectId};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::names;
use super::segment::write_words;
use super::unit::ALL;
use crate::escape::{escape_attribute, escape_text};
use crate::values::DATE;

/// Writes entries as TMX 1.4b, in the order in which they come. Each is written at once, in UTF-8.
#[derive(Debug)]
pub struct TmxWriter<W> {
    out: W,
    /// The unit being written, which is what is held.
    unit: String,
}

impl<W: Write> TmxWriter<W> {
    /// Writes what comes before the entries; `now` is when the file is made.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut out: W, now: UnixMillis) -> io::Result<Self> {
        let version = env!("CARGO_PKG_VERSION");
        let date = date(now);
        write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE tmx SYSTEM \"tmx14.dtd\">\n<tmx version=\"1.4\">\n\
             <header creationtool=\"jddb-realtime\" creationtoolversion=\"{version}\" segtype=\"sentence\" \
             o-tmf=\"jddb-realtime\" adminlang=\"en\" srclang=\"{ALL}\" datatype=\"plaintext\" \
             creationdate=\"{date}\"/>\n<body>\n"
        )?;
        Ok(Self { out, unit: String::new() })
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.unit.clear();
        self.write_facts(entry);
        let markup = entry.markup.as_deref();
        let texts = [
            (entry.pair.source(), &entry.source_text, markup.and_then(|both| both.source.as_deref())),
            (entry.pair.target(), &entry.translated_text, markup.and_then(|both| both.target.as_deref())),
        ];
        for (language, words, markup) in texts {
            let _ = write!(self.unit, "<tuv xml:lang=\"{language}\"><seg>");
            match markup {
                Some(markup) => self.unit.push_str(markup),
                None => write_words(&mut self.unit, words),
            }
            self.unit.push_str("</seg></tuv>\n");
        }
        self.unit.push_str("</tu>\n");
        self.out.write_all(self.unit.as_bytes())
    }

    /// Writes what comes after the entries, and gives back what all was written to.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"</body>\n</tmx>\n")?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// What is known of an entry beside its texts.
    fn write_facts(&mut self, entry: &Entry) {
        let _ = write!(
            self.unit,
            "<tu tuid=\"{}\" srclang=\"{}\" creationdate=\"{}\" changedate=\"{}\" lastusagedate=\"{}\" usagecount=\"{}\"",
            entry.id,
            entry.pair.source(),
            date(entry.created_at),
            date(entry.changed_at),
            date(entry.last_used_at),
            entry.usage_count,
        );
        let people = entry.contributors.as_slice();
        if let [first, ..] = people {
            let _ = write!(self.unit, " creationid=\"{}\"", escape_attribute(first));
        }
        let (between, last) = match people {
            [_, between @ .., last] => (between, Some(last)),
            _ => (&[][..], None),
        };
        if let Some(last) = last {
            let _ = write!(self.unit, " changeid=\"{}\"", escape_attribute(last));
        }
        self.unit.push_str(">\n");
        for (name, moment) in [
            (names::CREATED_AT, entry.created_at),
            (names::CHANGED_AT, entry.changed_at),
            (names::LAST_USED_AT, entry.last_used_at),
        ] {
            if !moment.0.is_multiple_of(1_000) {
                self.write_property(name, &moment.to_string());
            }
        }
        between.iter().for_each(|person| self.write_property(names::CONTRIBUTOR, person));
        if let Some(project) = entry.scope.project().map(ProjectId::as_str) {
            self.write_property(names::PROJECT, project);
        }
        self.write_context(entry);
        self.write_property(names::STATUS, entry.status.name());
        self.write_property(names::REVIEWED, if entry.reviewed { "true" } else { "false" });
        if let Some(mean) = entry.ratings.mean() {
            self.write_property(names::RATING, &mean.to_string());
            self.write_property(names::RATINGS, &entry.ratings.count.to_string());
        }
        for (person, rating) in &entry.ratings.last {
            self.write_property(names::RATER, &format!("{} {person}", rating.stars()));
        }
    }

    fn write_context(&mut self, entry: &Entry) {
        let context = &entry.context;
        for (name, value) in [
            (names::DOCUMENT, &context.document_id),
            (names::DOCUMENT_TYPE, &context.document_type),
            (names::SECTION, &context.section),
            (names::DOMAIN, &context.domain),
        ] {
            value.iter().for_each(|value| self.write_property(name, value));
        }
        for (name, value) in [(names::PREVIOUS, &context.previous), (names::NEXT, &context.next)] {
            match value {
                // What would be taken for the element it looks like is put into one.
                Some(text) if text.starts_with("<seg>") => self.write_property(name, &format!("<seg>{text}</seg>")),
                Some(text) => self.write_property(name, text),
                None => {}
            }
        }
    }

    fn write_property(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.unit, "<prop type=\"{name}\">{}</prop>", escape_text(value));
    }
}

/// A moment to the second; one beyond all calendars is the last of them.
fn date(moment: UnixMillis) -> String {
    let moment = i64::try_from(moment.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    moment.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).strftime(DATE).to_string()
}
