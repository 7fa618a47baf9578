//! A whole document.

use jddb_core::document::{ResendRecord, SectionSnapshot, Snapshot};
use jddb_core::ids::{SectionName, UnixMillis, Version};
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

use super::Damage;

/// A [`Snapshot`].
#[derive(Archive, Serialize)]
pub(crate) struct SnapshotRecord<'a> {
    sections: Vec<SectionRecord<'a>>,
    resends: Vec<ResendEntry<'a>>,
    last_modified: Option<ModifiedRecord<'a>>,
}

#[derive(Archive, Serialize)]
struct SectionRecord<'a> {
    created: u64,
    #[rkyv(with = InlineAsBox)]
    name: &'a str,
    #[rkyv(with = InlineAsBox)]
    text: &'a str,
}

#[derive(Archive, Serialize)]
struct ResendEntry<'a> {
    fingerprint: u64,
    version: u64,
    at: u64,
    transformed: bool,
    #[rkyv(with = InlineAsBox)]
    user_id: &'a str,
    #[rkyv(with = InlineAsBox)]
    client_id: &'a str,
    #[rkyv(with = InlineAsBox)]
    correlation_id: &'a str,
}

#[derive(Archive, Serialize)]
struct ModifiedRecord<'a> {
    at: u64,
    #[rkyv(with = InlineAsBox)]
    user_id: &'a str,
}

impl<'a> SnapshotRecord<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        let modified = snapshot.last_modified.as_ref();
        Self {
            sections: snapshot.sections.iter().map(SectionRecord::new).collect(),
            resends: snapshot.resends.iter().map(ResendEntry::new).collect(),
            last_modified: modified.map(|(at, user_id)| ModifiedRecord { at: at.0, user_id }),
        }
    }
}

impl<'a> SectionRecord<'a> {
    fn new(section: &'a SectionSnapshot) -> Self {
        Self { created: section.created.0, name: section.name.as_str(), text: &section.text }
    }
}

impl<'a> ResendEntry<'a> {
    fn new(resend: &'a ResendRecord) -> Self {
        Self {
            fingerprint: resend.fingerprint,
            version: resend.version.0,
            at: resend.at.0,
            transformed: resend.transformed,
            user_id: &resend.user_id,
            client_id: &resend.client_id,
            correlation_id: &resend.correlation_id,
        }
    }
}

impl ArchivedSnapshotRecord<'_> {
    /// The snapshot, which is of `version`.
    pub(crate) fn to_snapshot(&self, version: Version) -> Result<Snapshot, Damage> {
        let modified = self.last_modified.as_ref();
        Ok(Snapshot {
            version,
            sections: self.sections.iter().map(ArchivedSectionRecord::to_section).collect::<Result<_, _>>()?,
            resends: self.resends.iter().map(ArchivedResendEntry::to_resend).collect(),
            last_modified: modified.map(|by| (UnixMillis(by.at.to_native()), (*by.user_id).into())),
        })
    }
}

impl ArchivedSectionRecord<'_> {
    fn to_section(&self) -> Result<SectionSnapshot, Damage> {
        let name = SectionName::new(&self.name).map_err(|error| Damage::Content(format!("section name: {error}")))?;
        Ok(SectionSnapshot { name, created: Version(self.created.to_native()), text: String::from(&*self.text) })
    }
}

impl ArchivedResendEntry<'_> {
    fn to_resend(&self) -> ResendRecord {
        ResendRecord {
            user_id: (*self.user_id).into(),
            client_id: (*self.client_id).into(),
            correlation_id: (*self.correlation_id).into(),
            fingerprint: self.fingerprint.to_native(),
            version: Version(self.version.to_native()),
            at: UnixMillis(self.at.to_native()),
            transformed: self.transformed,
        }
    }
}
