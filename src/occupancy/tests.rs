//! Seats taken, offered, displaced and given back.

use std::thread;

use super::*;

fn max(connections: usize, user_connections: usize) -> ConnectionsMax {
    ConnectionsMax { connections, user_connections, enforced: true }
}

fn take(occupancy: &Arc<Occupancy>, user_id: &str, max: ConnectionsMax) -> Result<Seat, ConnectionLimit> {
    occupancy.take(user_id, max).map(|(seat, exceeded)| {
        assert_eq!(exceeded, None);
        seat
    })
}

fn refused(occupancy: &Arc<Occupancy>, user_id: &str, max: ConnectionsMax) -> ConnectionLimit {
    occupancy.take(user_id, max).unwrap_err()
}

#[test]
fn seats_come_back() {
    let occupancy = Arc::new(Occupancy::default());
    let seats: Vec<Seat> = (0..3).map(|_| take(&occupancy, "ada", max(4, 3)).unwrap()).collect();
    assert_eq!(refused(&occupancy, "ada", max(4, 3)), ConnectionLimit::UserConnections);
    let ben = take(&occupancy, "ben", max(4, 3)).unwrap();
    assert_eq!(refused(&occupancy, "eve", max(4, 3)), ConnectionLimit::Connections);
    assert_eq!((occupancy.connections(), occupancy.users()), (4, 2));
    drop(seats);
    assert_eq!((occupancy.connections(), occupancy.users()), (1, 1));
    drop(ben);
    assert_eq!((occupancy.connections(), occupancy.users()), (0, 0));
}

#[test]
fn a_limit_of_zero_is_none() {
    let occupancy = Arc::new(Occupancy::default());
    let seats: Vec<Seat> = (0..100).map(|_| take(&occupancy, "ada", max(100, 0)).unwrap()).collect();
    assert_eq!(refused(&occupancy, "ada", max(100, 0)), ConnectionLimit::Connections);
    drop(seats);
    assert_eq!((occupancy.connections(), occupancy.users()), (0, 0));
}

#[test]
fn the_longest_silent_gives_way_first() {
    let occupancy = Arc::new(Occupancy::default());
    let seats: Vec<Seat> = (0..3).map(|_| take(&occupancy, "ada", max(9, 3)).unwrap()).collect();
    seats[1].offer(Duration::from_secs(7));
    seats[0].offer(Duration::from_secs(8));
    assert!(!seats[0].is_displaced() && !seats[1].is_displaced());
    let fourth = take(&occupancy, "ada", max(9, 3)).unwrap();
    assert!(seats[1].is_displaced() && !seats[0].is_displaced());
    // It is heard too late, and goes without the seat; the other is heard in time.
    seats[1].keep();
    assert!(seats[1].is_displaced());
    seats[0].keep();
    assert!(!seats[0].is_offered());
    assert_eq!(refused(&occupancy, "ada", max(9, 3)), ConnectionLimit::UserConnections);
    assert_eq!(occupancy.connections(), 4, "until the displaced one is closed");
    drop(seats);
    assert_eq!((occupancy.connections(), occupancy.users()), (1, 1));
    drop(fourth);
    assert_eq!((occupancy.connections(), occupancy.users()), (0, 0));
}

#[test]
fn the_displaced_may_outlive_who_displaced_it() {
    let occupancy = Arc::new(Occupancy::default());
    let first = take(&occupancy, "ada", max(9, 1)).unwrap();
    first.offer(Duration::ZERO);
    drop(take(&occupancy, "ada", max(9, 1)).unwrap());
    assert_eq!((occupancy.connections(), occupancy.users()), (1, 0));
    let third = take(&occupancy, "ada", max(9, 1)).unwrap();
    assert!(first.is_displaced());
    drop(first);
    assert_eq!(refused(&occupancy, "ada", max(9, 1)), ConnectionLimit::UserConnections);
    drop(third);
    assert_eq!((occupancy.connections(), occupancy.users()), (0, 0));
}

#[test]
fn a_silent_one_that_ends_by_itself_is_no_longer_on_offer() {
    let occupancy = Arc::new(Occupancy::default());
    let (first, second) = (take(&occupancy, "ada", max(9, 2)).unwrap(), take(&occupancy, "ada", max(9, 2)).unwrap());
    first.offer(Duration::ZERO);
    drop(first);
    let third = take(&occupancy, "ada", max(9, 2)).unwrap();
    assert_eq!(refused(&occupancy, "ada", max(9, 2)), ConnectionLimit::UserConnections);
    assert!(!second.is_displaced() && !third.is_displaced());
}

#[test]
fn a_full_server_displaces_nobody() {
    let occupancy = Arc::new(Occupancy::default());
    let first = take(&occupancy, "ada", max(1, 1)).unwrap();
    first.offer(Duration::ZERO);
    assert_eq!(refused(&occupancy, "ada", max(1, 1)), ConnectionLimit::Connections);
    assert!(!first.is_displaced());
}

#[test]
fn who_only_observes_refuses_and_displaces_nobody() {
    let occupancy = Arc::new(Occupancy::default());
    let observed = ConnectionsMax { enforced: false, ..max(2, 1) };
    let first = take(&occupancy, "ada", observed).unwrap();
    let (second, exceeded) = occupancy.take("ada", observed).unwrap();
    assert_eq!(exceeded, Some(ConnectionLimit::UserConnections));
    let (third, exceeded) = occupancy.take("ben", observed).unwrap();
    assert_eq!(exceeded, Some(ConnectionLimit::Connections));
    first.offer(Duration::ZERO);
    let fourth = occupancy.take("ada", observed).unwrap();
    assert!(!first.is_displaced());
    assert_eq!(occupancy.connections(), 4);
    drop((first, second, third, fourth));
    assert_eq!((occupancy.connections(), occupancy.users()), (0, 0));
}

/// Threads come, fall silent, are heard again and go, as fast as they can: at no moment are there too many, and nothing
/// is left in the end.
#[test]
fn nothing_leaks_and_no_limit_is_passed_however_they_race() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 20_000;
    const USERS: [&str; 3] = ["ada", "ben", "eve"];
    let occupancy = Arc::new(Occupancy::default());
    let limits = max(14, 5);
    let run = |thread: u64| {
        let occupancy = Arc::clone(&occupancy);
        thread::spawn(move || {
            let mut seats = Vec::new();
            let (mut state, mut taken) = (thread, 0);
            for round in 0..ROUNDS {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let choice = usize::try_from(state >> 33).unwrap();
                let (user, any) = (USERS[choice % USERS.len()], choice / 64 % seats.len().max(1));
                match choice / 8 % 4 {
                    0 | 1 => seats.extend(occupancy.take(user, limits).map(|(seat, _)| seat)),
                    2 if any < seats.len() => drop(seats.swap_remove(any)),
                    _ => match seats.get(any) {
                        Some(seat) if seat.is_offered() => seat.keep(),
                        Some(seat) => seat.offer(Duration::from_millis(round)),
                        None => {}
                    },
                }
                taken = taken.max(seats.len());
                assert!(occupancy.connections() <= limits.connections);
                let shard = occupancy.shard(user).lock();
                let open = shard.users.get(user).map_or(0, |user| user.connections);
                assert!(open <= limits.user_connections, "{open} of {user}");
            }
            taken
        })
    };
    let threads: Vec<_> = (0..THREADS).map(run).collect();
    let taken = threads.into_iter().map(|thread| thread.join().unwrap()).max();
    assert!(taken > Some(2), "hardly anything was tried");
    assert_eq!((occupancy.connections(), occupancy.users()), (0, 0));
}
