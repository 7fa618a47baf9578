//! Format 1 on disk, byte by byte, and what is found when bytes change.

use jddb_core::document::{
    Change, Entry, Lock, Origin, Properties, ResendRecord, Save, SectionChange, SectionSnapshot, Session, SessionPlan,
    SessionSettings, Snapshot,
};
use jddb_core::ids::{DocumentId, SectionName, UnixMillis, Version};
use jddb_core::ot::OperationBuilder;
use jddb_core::translation;

use super::*;
use crate::logins::LoginEntry;

const KEY: &[u8] = b"jd_12345\0\0\0\0\0\0\0\0\x2a";

fn change() -> Change {
    let mut edits = OperationBuilder::default();
    edits.insert(3, "Ingénieur 😀");
    edits.delete(3, 4);
    edits.delete(20, 2);
    let first = SectionChange { section: 0, created: None, operation: edits.finish(), deleted: "Chefde".to_owned() };
    let second = SectionChange {
        section: 7,
        created: Some(SectionName::new("skills").unwrap()),
        operation: OperationBuilder::default().finish(),
        deleted: String::new(),
    };
    Change {
        version: Version(42),
        at: UnixMillis(1_758_458_730_123),
        user_id: "user_1".into(),
        origin: Origin { client_id: Some("client_9".into()), correlation_id: None },
        fingerprint: 0x0123_4567_89AB_CDEF,
        transformed: true,
        sections: [first, second].into_iter().collect(),
    }
}

fn snapshot() -> Snapshot {
    let section = |name: &str, created, text: &str| SectionSnapshot {
        name: SectionName::new(name).unwrap(),
        created: Version(created),
        text: text.to_owned(),
    };
    let resend = ResendRecord {
        user_id: "user_1".into(),
        client_id: "client_9".into(),
        correlation_id: "m-17".into(),
        fingerprint: 5,
        version: Version(41),
        at: UnixMillis(1_758_458_730_000),
        transformed: false,
    };
    Snapshot {
        version: Version(42),
        sections: vec![section("body", 1, "Titre : ingénieur 😀"), section("skills", 42, "")],
        resends: vec![resend],
        last_modified: Some((UnixMillis(1_758_458_730_123), "user_1".into())),
    }
}

fn session() -> Session {
    Session {
        session_id: "sess_abc".into(),
        document_id: DocumentId::new("jd_12345").unwrap(),
        started_at: UnixMillis(1_758_458_730_000),
        started_by: "user_1".into(),
        plan: None,
    }
}

fn plan() -> SessionPlan {
    SessionPlan {
        created_by: "user_1".into(),
        created_at: UnixMillis(1_758_458_730_000),
        expires_at: UnixMillis(1_758_480_330_000),
        participants: vec!["user_1".into(), "user_2".into()],
        settings: SessionSettings { auto_save_seconds: Some(30), participants_max: None, is_public: false },
    }
}

fn save() -> Save {
    Save { version: Version(42), at: UnixMillis(1_758_458_730_123), saved_by: Some("user_1".into()) }
}

fn entry() -> Entry {
    let mut properties = Properties::default();
    properties.set("title", "Ingénieur 😀").unwrap();
    properties.set("language", "fr").unwrap();
    let lock = Lock {
        holder: "user_1".into(),
        reason: Some("review".into()),
        since: UnixMillis(1_758_458_730_000),
        expires_at: Some(UnixMillis(1_758_458_790_000)),
    };
    Entry { exists: true, origin: Version(43), properties, lock: Some(lock) }
}

fn translation() -> translation::Entry {
    let submission = translation::Submission {
        scope: translation::Scope::Project(translation::ProjectId::new("hr").unwrap()),
        pair: translation::LanguagePair::new(translation::Language::ENGLISH, translation::Language::FRENCH).unwrap(),
        source_text: "The incumbent".into(),
        translated_text: "Le ou la titulaire 😀".into(),
        context: translation::Context {
            document_id: Some("jd_12345".into()),
            document_type: Some("job_description".into()),
            section: Some("general_accountability".into()),
            domain: None,
            previous: Some("Before it".into()),
            next: None,
        },
        rating: translation::Rating::new(4),
        reviewed: true,
        user_id: "translator_456".into(),
    };
    let mut entry = translation::Entry::new(translation::EntryId(98_765), submission, UnixMillis(1_758_458_730_123));
    let rating = translation::Rating::new(5);
    let used = translation::Revision { used: true, rating, ..translation::Revision::by("eve".into()) };
    entry.revise(used, UnixMillis(1_758_458_740_000));
    let target = Some("Le ou la <ph x=\"1\"/>titulaire 😀".into());
    entry.markup = Some(Box::new(translation::Markup { source: None, target }));
    entry
}

fn term() -> translation::Term {
    let draft = translation::TermDraft {
        term: "analysis",
        variants: vec!["analyses"],
        translation: "analyse 😀",
        accepted: vec!["étude"],
        forbidden: vec!["analyze", "exam"],
        domain: Some("government_hr"),
        mandatory: true,
        case_matters: false,
        note: Some("As in the act"),
    };
    translation::Term {
        id: translation::TermId(123),
        place: translation::TermPlace { scope: translation().scope, pair: translation().pair },
        content: translation::TermContent::new(&draft).unwrap(),
        created_by: "user_1".into(),
        created_at: UnixMillis(1_758_458_730_123),
        updated_by: "user_2".into(),
        updated_at: UnixMillis(1_758_458_740_000),
    }
}

/// Compares a value with the file of that name; writes it instead where the environment asks for that.
fn check_fixture(name: &str, value: &[u8]) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    if std::env::var_os("JDDB_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, value).unwrap();
    }
    let stored = std::fs::read(&path).unwrap();
    assert!(stored == value, "{name} would be written differently: raise FORMAT, and go on reading the old one");
    stored
}

#[test]
fn records_of_format_1_are_read_and_written_as_ever() {
    let stored = check_fixture("change-1.bin", &encode(KEY, &ChangeRecord::new(&change(), 3)));
    let read = access::<ArchivedChangeRecord<'_>>(KEY, &stored).unwrap();
    assert_eq!(read.epoch(), 3);
    assert_eq!(read.to_change(Version(42)).unwrap(), change());

    let stored = check_fixture("snapshot-1.bin", &encode(KEY, &SnapshotRecord::new(&snapshot())));
    let read = access::<ArchivedSnapshotRecord<'_>>(KEY, &stored).unwrap();
    assert_eq!(read.to_snapshot(Version(42)).unwrap(), snapshot());

    let stored = check_fixture("session-1.bin", &encode(b"jd_12345", &SessionRecord::new(&session())));
    let read = access::<ArchivedSessionRecord<'_>>(b"jd_12345", &stored).unwrap();
    assert_eq!(read.to_session(&session().document_id), session());

    let stored = check_fixture("plan-1.bin", &encode(b"\0jd_12345", &PlanRecord::new(&plan())));
    let read = access::<ArchivedPlanRecord<'_>>(b"\0jd_12345", &stored).unwrap();
    assert_eq!(read.to_plan(), plan());

    let stored = check_fixture("save-1.bin", &encode(KEY, &SaveRecord::new(&save())));
    let read = access::<ArchivedSaveRecord<'_>>(KEY, &stored).unwrap();
    assert_eq!(read.to_save(Version(42)), save());
    let stored = check_fixture("entry-1.bin", &encode(b"jd_12345", &EntryRecord::new(&entry(), 3)));
    let read = access::<ArchivedEntryRecord<'_>>(b"jd_12345", &stored).unwrap();
    assert_eq!((read.epoch(), read.to_entry().unwrap()), (3, entry()));

    let login = LoginEntry::Family { generation: 7, ends_at: 1_758_458_730 };
    let stored = check_fixture("login-1.bin", &encode(&[7; 16], &LoginRecord::new(login)));
    let read = access::<ArchivedLoginRecord>(&[7; 16], &stored).unwrap();
    assert_eq!(read.to_entry().unwrap(), login);

    let key = 98_765_u64.to_be_bytes();
    let stored = check_fixture("translation-1.bin", &encode(&key, &TranslationRecord::new(&translation())));
    let read = access::<ArchivedTranslationRecord<'_>>(&key, &stored).unwrap();
    assert_eq!(read.to_entry(translation::EntryId(98_765), &mut translation::Scope::Shared).unwrap(), translation());

    let key = 123_u64.to_be_bytes();
    let stored = check_fixture("term-1.bin", &encode(&key, &TermRecord::new(&term())));
    let read = access::<ArchivedTermRecord<'_>>(&key, &stored).unwrap();
    assert_eq!(read.to_term(translation::TermId(123)).unwrap(), term());

    let stored = check_fixture("meta-1.bin", &encode_plain(b"epoch", &7_u32.to_le_bytes()));
    assert_eq!(open(b"epoch", &stored).unwrap(), 7_u32.to_le_bytes());
}

#[test]
fn a_record_is_read_at_any_address() {
    let value = encode(KEY, &SnapshotRecord::new(&snapshot()));
    for offset in 0..16 {
        let moved = [&vec![0; offset][..], &value].concat();
        let read = access::<ArchivedSnapshotRecord<'_>>(KEY, &moved[offset..]).unwrap();
        assert_eq!(read.to_snapshot(Version(42)).unwrap(), snapshot());
    }
}

#[test]
fn every_flipped_bit_and_every_lost_byte_is_noticed() {
    let value = encode(KEY, &ChangeRecord::new(&change(), 3));
    for bit in 0..value.len() * 8 {
        let mut damaged = value.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(open(KEY, &damaged), Err(Damage::Checksum { .. })), "bit {bit}");
    }
    for length in 0..value.len() {
        assert!(open(KEY, &value[..length]).is_err(), "{length} bytes");
    }
    assert!(open(b"another key", &value).is_err());
}

/// What the checksum does not notice (a bug that wrote it so) must not be taken for memory either.
#[test]
fn a_wrong_structure_with_a_right_checksum_is_an_error_and_never_undefined() {
    let value = encode(KEY, &ChangeRecord::new(&change(), 3));
    let mut refused = 0;
    for bit in HEADER_BYTES * 8..value.len() * 8 {
        let mut damaged = value.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let damaged = seal(KEY, damaged);
        let read = access::<ArchivedChangeRecord<'_>>(KEY, &damaged).and_then(|record| record.to_change(Version(42)));
        refused += usize::from(read.is_err());
    }
    assert!(refused > 0);
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let mut value = encode_plain(KEY, b"something new");
    value[0] = FORMAT + 1;
    let newer = Damage::NewerFormat { found: FORMAT + 1, supported: FORMAT };
    assert_eq!(open(KEY, &seal(KEY, value.clone())), Err(newer));
    assert!(matches!(open(KEY, &value), Err(Damage::Checksum { .. })));
    value[0] = 0;
    assert!(matches!(open(KEY, &seal(KEY, value)), Err(Damage::Content(_))));
}
