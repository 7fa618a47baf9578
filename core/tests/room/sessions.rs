//! Sessions: created, joined, expired and ended, while people come and go.

use jddb_core::document::SessionSettings;
use jddb_core::ids::{PositionEncoding, UnixMillis, Version};
use jddb_core::limits::GrantedLimits;
use jddb_core::protocol::{ErrorCode, InboundError, PresenceUpdate};
use jddb_core::room::{
    Caller, Expiry, MemberKey, NewSession, Renewal, RewriteKind, Rewriting, SessionFilter, TranslationRights, User,
};
use serde_json::{Value, json};

use crate::rng::{Rng, for_seeds};
use crate::support::{DOCUMENT, House, START, brief, guest, insert, message};

const LASTS_MS: u64 = 6 * 3_600_000;
const PRIVATE: SessionSettings =
    SessionSettings { auto_save_seconds: Some(5), participants_max: None, is_public: false };

fn create(
    house: &mut House,
    creator: &str,
    participants: &[&str],
    settings: SessionSettings,
) -> Result<Value, InboundError> {
    let new = NewSession {
        creator: User {
            user_id: creator.into(),
            display_name: creator.to_uppercase().into(),
            avatar_url: None,
            color: "#51cf66".into(),
        },
        session_id: "sess_new".into(),
        participants: participants.iter().map(|id| (*id).into()).collect(),
        settings,
        lasts_ms: LASTS_MS,
        websocket_url: "wss://api.jddb.gc.ca/ws/document/jd_12345",
    };
    house.room.answer_session(house.now, 1, new)?;
    assert_eq!(house.answers().len(), 0, "it waits for the disk");
    house.sync();
    Ok(house.answers().remove(0).1)
}

fn end(house: &mut House, session_id: &str, user_id: &str, is_admin: bool) -> Result<Value, InboundError> {
    house.room.answer_session_end(house.now, 2, session_id, user_id, is_admin)?;
    assert_eq!(house.answers().len(), 0, "it waits for the disk");
    house.sync();
    Ok(house.answers().remove(0).1)
}

/// The close frame that somebody is sent, after what they are told.
fn closed(house: &mut House, key: MemberKey) -> (Vec<String>, u64) {
    house.sync();
    let mut seen = house.read(key);
    let close = seen.pop().unwrap();
    assert_eq!(close["type"], "close", "{close}");
    (seen.iter().map(|seen| seen["type"].as_str().unwrap().to_owned()).collect(), close["code"].as_u64().unwrap())
}

#[test]
fn the_references_example_figure_for_figure() {
    let mut house = House::new();
    house.now = UnixMillis(1_758_456_000_000);
    let settings = SessionSettings { auto_save_seconds: Some(30), participants_max: Some(10), is_public: false };
    let answer = create(&mut house, "user_1", &["user_1", "user_2"], settings).unwrap();
    let expected = json!({
        "session_id": "sess_new",
        "websocket_url": "wss://api.jddb.gc.ca/ws/document/jd_12345",
        "expires_at": "2025-09-21T18:00:00.000Z",
        "participants": [
            {"user_id": "user_1", "display_name": "USER_1", "role": "editor", "joined_at": "2025-09-21T12:00:00.000Z"}
        ]
    });
    assert_eq!(answer, expected);
    let plan = house.disk.session.clone().unwrap().plan.unwrap();
    assert_eq!((plan.participants.len(), plan.settings), (2, settings));

    let keys: Vec<MemberKey> = ["user_1", "user_2"].map(|user| house.settle(guest(user))).to_vec();
    let third = house.settle(guest("root").admin());
    assert_eq!(house.try_join(guest("user_3")).unwrap_err().code, ErrorCode::Forbidden);
    let answer = end(&mut house, "sess_new", "user_1", false).unwrap();
    let expected = json!({
        "message": "Session terminated successfully", "final_save_completed": true, "participants_notified": 3
    });
    assert_eq!(answer, expected);
    for key in keys.into_iter().chain([third]) {
        let (told, code) = closed(&mut house, key);
        assert_eq!(told[told.len() - 2..], ["document.save", "session.ended"]);
        assert_eq!(code, 1000);
    }
    assert_eq!(house.disk.session, None);
}

#[test]
fn an_implicit_session_is_adopted_with_those_it_admits() {
    let mut house = House::holding(&[("body", "x")]);
    let (ada, ben) = (house.settle(guest("ada")), house.settle(guest("ben")));
    let (root, cleo) = (house.settle(guest("root").admin()), house.settle(guest("cleo").viewing()));
    let visit =
        PresenceUpdate { is_active: true, current_document: None, cursor: None, selection: None, activity: None };
    house.visit("zoe", true, &visit).unwrap();
    house.now = house.now.plus(1_000);
    let answer = create(&mut house, "ada", &["cleo"], PRIVATE).unwrap();
    assert_eq!(answer["session_id"], "sess_1", "the name stays");
    let joined: Vec<(&str, &str)> = answer["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["user_id"].as_str().unwrap(), one["role"].as_str().unwrap()))
        .collect();
    assert_eq!(joined, [("ada", "editor"), ("cleo", "viewer"), ("root", "editor")]);
    assert_eq!(answer["participants"][0]["joined_at"], START.to_string());
    let (told, code) = closed(&mut house, ben);
    assert_eq!((told.last().unwrap().as_str(), code), ("system.error", 4001));
    assert!(house.read(ada).iter().map(brief).any(|told| told == "zoe left"));
    for key in [ada, root, cleo] {
        assert!(house.room.is_heard(key));
    }
    assert_eq!(house.visit("zoe", true, &visit).unwrap_err().code, ErrorCode::Forbidden);
    let ben_asks = caller("ben", false);
    let body = json!({"changes": [{"operation": "insert", "position": 0, "content": "x"}]});
    assert_eq!(house.post(3, ben_asks, &body).unwrap_err().code, ErrorCode::Forbidden);
    for kind in [RewriteKind::Put(None), RewriteKind::Restore(Version(1))] {
        let rewriting = Rewriting { texts: Vec::new(), kind };
        let refused = house.room.answer_rewriting(house.now, 4, ben_asks, rewriting).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Forbidden);
    }
    // Beside an explicit one there is no other.
    let error = create(&mut house, "ada", &[], PRIVATE).unwrap_err();
    assert_eq!((error.code, error.code.http_status()), (ErrorCode::SessionExists, 409));
}

#[test]
fn nothing_of_a_deleted_document_is_recorded_after_its_end() {
    let mut house = House::holding(&[("body", "x")]);
    let ada = house.settle(guest("ada"));
    create(&mut house, "ada", &[], PRIVATE).unwrap();
    house.say(ada, insert(0, "y"));
    house.say(ada, message("document.save", json!({})));
    house.room.answer_deletion(house.now, 5, caller("root", true)).unwrap();
    assert_eq!(house.room.session_summary(house.now, &SessionFilter::default()), None);
    assert_eq!(closed(&mut house, ada).1, 4004);
    assert_eq!((house.disk.session.clone(), house.disk.saves.len(), house.disk.changes.len()), (None, 0, 0));
    // Neither does its time come, nor that of the next save.
    house.wait(LASTS_MS + 1_000);
    house.sync();
    assert_eq!((house.disk.session.clone(), house.disk.saves.len()), (None, 0));
}

fn caller(user_id: &str, is_admin: bool) -> Caller<'_> {
    Caller { user_id, is_admin, encoding: PositionEncoding::Utf16, idempotency_key: None, if_match: None }
}

/// Shows a new token, with or without `document:admin`.
fn renew(house: &mut House, key: MemberKey, is_admin: bool) {
    house.say(key, message("auth.refresh", json!({"token": "a.b.c"})));
    let request = house.room.take_renewals().remove(0);
    let renewal = Renewal {
        user_id: "root".into(),
        expires_at: START,
        expiry: Expiry::NEVER,
        edits: true,
        is_admin,
        translates: TranslationRights::default(),
        granted: GrantedLimits::default(),
    };
    house.room.renew(house.now, key, &request, Ok(renewal));
}

#[test]
fn a_new_token_says_who_is_an_admin_by_now() {
    let mut house = House::holding(&[("body", "x")]);
    let root = house.settle(guest("root"));
    renew(&mut house, root, true);
    create(&mut house, "ada", &[], PRIVATE).unwrap();
    assert!(house.room.is_heard(root), "who has become an admin stays where others go");
    renew(&mut house, root, true);
    assert!(house.room.is_heard(root));
    renew(&mut house, root, false);
    assert_eq!(closed(&mut house, root).1, 4001);
}

#[test]
fn a_session_is_full_and_those_who_are_too_many_go() {
    let mut house = House::holding(&[("body", "x")]);
    let keys: Vec<MemberKey> = ["ann", "ben", "cleo", "dan"]
        .map(|user| {
            house.now = house.now.plus(1);
            house.settle(guest(user))
        })
        .to_vec();
    let settings = SessionSettings { participants_max: Some(2), ..SessionSettings::default() };
    let answer = create(&mut house, "cleo", &["dan"], settings).unwrap();
    assert_eq!(answer["participants"].as_array().unwrap().len(), 2);
    for (key, stays) in keys.iter().zip([false, false, true, true]) {
        assert_eq!(house.room.is_heard(*key), stays);
    }
    keys[..2].iter().for_each(|key| house.leave(*key));
    let refused = house.try_join(guest("ann")).unwrap_err();
    assert_eq!((refused.code, refused.limit_type), (ErrorCode::RateLimitExceeded, Some("session_participants")));
    house.try_join(guest("dan").viewing()).unwrap();
    house.leave(keys[2]);
    house.try_join(guest("ann")).unwrap();
}

#[test]
fn only_the_creator_or_an_admin_ends_a_session() {
    let mut house = House::holding(&[("body", "x")]);
    let ada = house.settle(guest("ada"));
    create(&mut house, "ben", &[], SessionSettings::default()).unwrap();
    assert_eq!(end(&mut house, "sess_other", "ben", true).unwrap_err().code, ErrorCode::SessionNotFound);
    assert_eq!(end(&mut house, "sess_1", "ada", false).unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(end(&mut house, "sess_1", "root", true).unwrap()["participants_notified"], 1);
    assert_eq!(end(&mut house, "sess_1", "root", true).unwrap_err().code, ErrorCode::SessionNotFound);
    assert!(!house.room.is_heard(ada));
    // Whoever comes while the others are still closing is in a new session.
    let cleo = house.join(guest("cleo"));
    house.sync();
    assert_ne!(&*house.disk.session.clone().unwrap().session_id, "sess_1");
    assert!(house.room.is_heard(cleo));
    // An implicit one is the first one's.
    let id = house.disk.session.clone().unwrap().session_id;
    assert_eq!(end(&mut house, &id, "ada", false).unwrap_err().code, ErrorCode::Forbidden);
    end(&mut house, &id, "cleo", false).unwrap();
}

#[test]
fn it_is_over_after_its_time_and_a_restart_keeps_it_until_then() {
    let mut house = House::holding(&[("body", "x")]);
    create(&mut house, "ada", &[], PRIVATE).unwrap();
    house.restart();
    assert_eq!(house.try_join(guest("ben")).unwrap_err().code, ErrorCode::Forbidden);
    let ada = house.settle(guest("ada"));
    house.wait(LASTS_MS - 1);
    assert_eq!(house.try_join(guest("ben")).unwrap_err().code, ErrorCode::Forbidden);
    house.wait(1);
    house.sync();
    let session = house.disk.session.clone().unwrap();
    assert_eq!((session.plan, &*session.session_id), (None, "sess_1"));
    house.join(guest("ben"));
    assert!(house.room.is_heard(ada));
    // Also if nothing looked after it in the meantime.
    create(&mut house, "ada", &["ben"], PRIVATE).unwrap();
    house.now = house.now.plus(LASTS_MS);
    house.join(guest("cleo"));
    create(&mut house, "cleo", &[], SessionSettings::default()).unwrap();
}

#[test]
fn saves_by_themselves_come_as_often_as_planned() {
    let mut house = House::new();
    create(&mut house, "ada", &[], PRIVATE).unwrap();
    let ada = house.settle(guest("ada"));
    house.say(ada, insert(0, "x"));
    house.wait(0);
    house.wait(4_999);
    house.check(ada, &[]);
    house.wait(1);
    house.sync();
    let saved = house.read(ada);
    assert_eq!((&saved[0]["type"], &saved[0]["payload"]["save_type"]), (&json!("document.save"), &json!("auto")));
    assert_eq!(house.disk.saves.len(), 1);
    assert_eq!(house.disk.saves[0].saved_by, None);
}

#[test]
fn what_is_known_of_a_session_by_whom() {
    let mut house = House::holding(&[("body", "x")]);
    let now = house.now;
    let filter = |user: Option<&str>, of: Option<&str>| SessionFilter {
        for_user: user.map(Into::into),
        user_id: of.map(Into::into),
        ..SessionFilter::default()
    };
    let known = |house: &House, filter: &SessionFilter| house.room.session_summary(house.now, filter).is_some();
    assert!(!known(&house, &filter(None, None)), "nobody is in it");
    create(&mut house, "ada", &["ben"], PRIVATE).unwrap();
    for (user, is_known) in [("ada", true), ("ben", true), ("cleo", false)] {
        assert_eq!(known(&house, &filter(Some(user), None)), is_known);
        assert_eq!(known(&house, &filter(None, Some(user))), is_known);
    }
    house.settle(guest("root").admin());
    let summary = house.room.session_summary(now, &filter(Some("root"), None)).unwrap();
    assert_eq!((summary.participant_count, summary.session.document_id.as_str()), (1, DOCUMENT));
    let elsewhere = SessionFilter { session_id: Some("sess_9".into()), ..SessionFilter::default() };
    assert!(!known(&house, &elsewhere));
}

/// A session and those who may be in it, the slow way.
#[derive(Default)]
struct Naive {
    /// Creator, participants, how many may be in it, whether anybody may, until when.
    plan: Option<(usize, Vec<usize>, usize, bool, u64)>,
    begun_by: Option<usize>,
    here: Vec<(usize, MemberKey)>,
}

impl Naive {
    fn admits(&self, user: usize) -> bool {
        let named = |plan: &(usize, Vec<usize>, usize, bool, u64)| plan.3 || plan.0 == user || plan.1.contains(&user);
        self.plan.as_ref().is_none_or(named)
    }

    fn users(&self) -> Vec<usize> {
        let mut users: Vec<usize> = self.here.iter().map(|(user, _)| *user).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    fn has_room_for(&self, user: usize) -> bool {
        let users = self.users();
        users.contains(&user) || self.plan.as_ref().is_none_or(|plan| users.len() < plan.2)
    }

    fn tick(&mut self, now: u64) {
        if self.plan.as_ref().is_some_and(|plan| plan.4 <= now) {
            self.plan = None;
            self.end_unused();
        }
    }

    /// Of a document that nobody has changed there is no session without a plan or somebody in it.
    fn end_unused(&mut self) {
        if self.here.is_empty() && self.plan.is_none() {
            self.begun_by = None;
        }
    }
}

#[test]
fn whatever_happens_nobody_is_in_a_session_that_does_not_admit_them() {
    for_seeds(300, |seed| {
        let mut rng = Rng(seed);
        let mut house = House::new();
        let mut naive = Naive::default();
        for step in 0..60 {
            naive.tick(house.now.0);
            let user = rng.below(5);
            let name = format!("user_{user}");
            match rng.below(7) {
                0..3 => {
                    let joined = house.try_join(guest(&name));
                    assert_eq!(
                        joined.is_ok(),
                        naive.admits(user) && naive.has_room_for(user),
                        "seed {seed} step {step}"
                    );
                    if let Ok(key) = joined {
                        naive.begun_by.get_or_insert(user);
                        naive.here.push((user, key));
                    }
                }
                3 if !naive.here.is_empty() => {
                    let (_, key) = naive.here.swap_remove(rng.below(naive.here.len()));
                    house.leave(key);
                    naive.end_unused();
                }
                4 => {
                    let participants: Vec<usize> = (0..5).filter(|_| rng.one_in(3)).collect();
                    let max = 1 + rng.below(5);
                    let is_public = rng.one_in(2);
                    let names: Vec<String> = participants.iter().map(|user| format!("user_{user}")).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let settings = SessionSettings {
                        auto_save_seconds: None,
                        participants_max: Some(u32::try_from(max).unwrap()),
                        is_public,
                    };
                    let created = create(&mut house, &name, &names, settings);
                    assert_eq!(created.is_ok(), naive.plan.is_none(), "seed {seed} step {step}");
                    if created.is_ok() {
                        naive.begun_by.get_or_insert(user);
                        naive.plan = Some((user, participants, max, is_public, house.now.0 + LASTS_MS));
                        let (staying, closed): (Vec<_>, Vec<_>) =
                            naive.here.iter().copied().partition(|(_, key)| house.room.is_heard(*key));
                        naive.here = staying;
                        assert!(naive.users().len() <= max, "seed {seed} step {step}");
                        assert!(naive.users().iter().all(|user| naive.admits(*user)), "seed {seed} step {step}");
                        let too_many = naive.users().len() == max;
                        assert!(
                            closed.iter().all(|(user, _)| too_many || !naive.admits(*user)),
                            "seed {seed} step {step}"
                        );
                        closed.iter().for_each(|(_, key)| house.leave(*key));
                    }
                }
                5 => {
                    let owner = naive.plan.as_ref().map(|plan| plan.0).or(naive.begun_by);
                    house.sync();
                    let id = house.disk.session.as_ref().map(|session| session.session_id.clone());
                    let ended = end(&mut house, id.as_deref().unwrap_or("sess_none"), &name, false);
                    assert_eq!(ended.is_ok(), owner == Some(user), "seed {seed} step {step}");
                    if let Ok(answer) = ended {
                        assert_eq!(answer["participants_notified"], naive.users().len(), "seed {seed} step {step}");
                        naive.here.drain(..).for_each(|(_, key)| house.leave(key));
                        (naive.plan, naive.begun_by) = (None, None);
                    }
                }
                _ => {
                    house.wait(if rng.one_in(4) { LASTS_MS } else { rng.below(60_000) as u64 });
                    naive.tick(house.now.0);
                }
            }
            if rng.one_in(10) {
                house.sync();
                house.restart();
                naive.here.clear();
            } else if rng.one_in(3) {
                house.sync();
                assert_eq!(house.disk.session.is_some(), naive.begun_by.is_some(), "seed {seed} step {step}");
            }
        }
    });
}
