//! What is known of logins: there after a start, or the start fails.

use jddb_storage::Durability::Strict;
use jddb_storage::{LoadError, LoginEntry, LoginKey};
use rocksdb::{DB, Options};

use crate::support::{commit, open};

const FAMILY: LoginKey = [1; 16];
const USER: LoginKey = [0xff; 16];

#[test]
fn the_newest_of_each_is_there_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let (first, newest) = (LoginEntry::Family { generation: 1, ends_at: 9 }, LoginEntry::Revoked { ends_at: u64::MAX });
    let user = LoginEntry::User { revoked_at: 1_758_458_730 };
    {
        let store = open(directory.path(), Strict);
        assert_eq!(store.load_logins(), Ok(Vec::new()));
        commit(&store, vec![store.encode_login(FAMILY, first), store.encode_login([2; 16], first)]);
        commit(&store, vec![store.encode_login(FAMILY, newest), store.encode_login(USER, user)]);
        commit(&store, vec![store.encode_login_end([2; 16]), store.encode_login_end([3; 16])]);
    }
    let store = open(directory.path(), Strict);
    assert_eq!(store.load_logins(), Ok(vec![(FAMILY, newest), (USER, user)]));
}

#[test]
fn damage_is_found_and_not_passed_over() {
    for damage in
        [|key: &mut Vec<u8>, _: &mut Vec<u8>| key.truncate(15), |_: &mut Vec<u8>, value: &mut Vec<u8>| value[7] ^= 1]
    {
        let directory = tempfile::tempdir().unwrap();
        {
            let store = open(directory.path(), Strict);
            commit(&store, vec![store.encode_login(FAMILY, LoginEntry::Revoked { ends_at: 9 })]);
        }
        {
            let path = directory.path().join("documents");
            let families = DB::list_cf(&Options::default(), &path).unwrap();
            let db = DB::open_cf(&Options::default(), &path, families).unwrap();
            let family = db.cf_handle("logins").unwrap();
            let (mut key, mut value) = (FAMILY.to_vec(), db.get_cf(family, FAMILY).unwrap().unwrap());
            db.delete_cf(family, FAMILY).unwrap();
            damage(&mut key, &mut value);
            db.put_cf(family, key, value).unwrap();
        }
        let store = open(directory.path(), Strict);
        assert!(matches!(store.load_logins(), Err(LoadError::Logins { .. })));
    }
}
