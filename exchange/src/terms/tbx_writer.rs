//! Writing terms as TBX-Basic (ISO 30042:2019, in the style DCA), a concept each.

use std::fmt::Write as _;
use std::io::{self, Write};

use jddb_core::ids::UnixMillis;
use jddb_core::translation::{ProjectId, Term, TermDraft};

use super::concept::{CASE_SENSITIVE, Standing};
use crate::escape::escape_text;

/// Writes concepts.
#[derive(Debug)]
pub(super) struct TbxWriter<W> {
    out: W,
    /// The concept being written, which is what is held.
    concept: String,
}

impl<W: Write> TbxWriter<W> {
    /// Writes what comes before the concepts.
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
              <tbx xmlns=\"urn:iso:std:iso:30042:ed-2\" type=\"TBX-Basic\" style=\"dca\" xml:lang=\"en\">\n\
              <tbxHeader><fileDesc><sourceDesc><p>The glossary of jddb-realtime</p></sourceDesc></fileDesc></tbxHeader>\n\
              <text><body>\n",
        )?;
        Ok(Self { out, concept: String::new() })
    }

    /// Writes a term.
    pub(super) fn write(&mut self, term: &Term) -> io::Result<()> {
        let Term { id, place, content, created_by, created_at, updated_by, updated_at } = term;
        let TermDraft { term, variants, translation, accepted, forbidden, domain, mandatory, case_matters, note } =
            content.draft();
        self.concept.clear();
        let _ = writeln!(self.concept, "<conceptEntry id=\"{id}\">");
        domain.iter().for_each(|domain| self.write_typed("descrip", "subjectField", domain));
        self.write_transaction("origination", created_by, *created_at);
        self.write_transaction("modification", updated_by, *updated_at);
        note.iter().for_each(|note| self.write_text("note", note));
        let _ = writeln!(self.concept, "<langSec xml:lang=\"{}\">", place.pair.source());
        self.begin_term(term);
        place.scope.project().into_iter().map(ProjectId::as_str).for_each(|project| {
            self.write_typed("admin", "projectSubset", project);
        });
        if case_matters {
            self.write_text("note", CASE_SENSITIVE);
        }
        self.concept.push_str("</termSec>\n");
        for variant in variants {
            self.begin_term(variant);
            self.write_typed("termNote", "termType", "variant");
            self.concept.push_str("</termSec>\n");
        }
        let _ = writeln!(self.concept, "</langSec>\n<langSec xml:lang=\"{}\">", place.pair.target());
        let first = if mandatory { Standing::Preferred } else { Standing::Admitted };
        let accepted = accepted.into_iter().map(|text| (text, Standing::Admitted));
        let forbidden = forbidden.into_iter().map(|text| (text, Standing::Deprecated));
        for (text, standing) in [(translation, first)].into_iter().chain(accepted).chain(forbidden) {
            self.begin_term(text);
            self.write_typed("termNote", "administrativeStatus", standing.status());
            self.concept.push_str("</termSec>\n");
        }
        self.concept.push_str("</langSec>\n</conceptEntry>\n");
        self.out.write_all(self.concept.as_bytes())
    }

    /// Writes what comes after the concepts.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"</body></text>\n</tbx>\n")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin_term(&mut self, term: &str) {
        self.concept.push_str("<termSec>");
        self.write_text("term", term);
    }

    fn write_transaction(&mut self, kind: &str, by: &str, at: UnixMillis) {
        self.concept.push_str("<transacGrp>");
        self.write_typed("transac", "transactionType", kind);
        self.write_typed("transacNote", "responsibility", by);
        let _ = writeln!(self.concept, "<date>{at}</date></transacGrp>");
    }

    fn write_typed(&mut self, name: &str, kind: &str, text: &str) {
        let _ = writeln!(self.concept, "<{name} type=\"{kind}\">{}</{name}>", escape_text(text));
    }

    fn write_text(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.concept, "<{name}>{}</{name}>", escape_text(text));
    }
}
