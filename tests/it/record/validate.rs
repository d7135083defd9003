//! Tampered records must be rejected on load; the core's own records must never be rejected.

use countersign::{Account, Denial, Policy, Session, session::ElevatedScopes};
use countersign_testkit::{World, edited, elevation, wrong};
use serde_json::Value;
use time::Duration;

/// Each of them is refused when it is read; none may reach a command, where a place that is found twice is no place.
#[test]
fn a_recovery_code_is_live_once() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    let account = world.account();
    for twice in 0..9 {
        let edited = edited(&account, |record| {
            let live = record["recovery"]["live"].as_array_mut().unwrap();
            live[twice] = live[9].clone();
        });
        let refused = edited.unwrap_err();
        assert_eq!(refused.to_string(), "inconsistent record: a recovery code is live twice");
    }
}

/// As many copies of an element under other ids as make the list this long.
fn filled(list: &mut Value, length: usize, set: impl Fn(&mut Value)) {
    let list = list.as_array_mut().unwrap();
    let first = list[0].clone();
    for (place, number) in (list.len()..length).zip(0_u8..) {
        let mut copy = first.clone();
        let id = copy["id"].as_str().unwrap();
        let (front, back) = id.split_at(id.len() - 3);
        let symbols = [b'A' + number / 26, b'A' + number % 26].map(char::from);
        copy["id"] = format!("{front}{}{}{}", symbols[0], symbols[1], &back[2..]).into();
        set(&mut copy);
        list.insert(place, copy);
    }
}

/// A list is bounded where the core bounds it, once a lane or a state: a record that is full otherwise would be
/// written once more, and then never read.
#[test]
fn a_list_is_as_long_as_the_core_makes_it() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let elevated = world.elevated();
    world.associate(&elevated, "new@example.com").unwrap();
    let account = world.account();
    let one_lane = |list: &'static str, lane: &'static str, length| {
        edited(&account, |record| {
            let to_lane = |element: &mut Value| element["lane"] = lane.into();
            record[list].as_array_mut().unwrap().iter_mut().for_each(to_lane);
            filled(&mut record[list], length, |copy| {
                if list == "challenges" {
                    copy["state"] = "verified".into();
                }
            });
        })
    };
    for lane in ["unknown", "known"] {
        for (list, refused) in [
            ("transactions", "a lane has more than 16 transactions"),
            ("challenges", "a lane has more than 16 challenges"),
        ] {
            assert!(one_lane(list, lane, 16).is_ok(), "{list} {lane}");
            let error = one_lane(list, lane, 17).unwrap_err().to_string();
            assert_eq!(error, format!("inconsistent record: {refused}"), "{lane}");
        }
    }
    // Both lanes have as many at once.
    for list in ["transactions", "challenges"] {
        let both = edited(&account, |record| {
            filled(&mut record[list], 32, |copy| {
                if list == "challenges" {
                    copy["state"] = "verified".into();
                }
            });
            let lanes = ["unknown", "known"].into_iter().cycle();
            let elements = record[list].as_array_mut().unwrap().iter_mut();
            elements.zip(lanes).for_each(|(element, lane)| element["lane"] = lane.into());
        });
        assert!(both.is_ok(), "{list}");
    }
    let authenticators = |confirmed: usize, unconfirmed: usize| {
        edited(&account, |record| {
            let list = record["authenticators"].as_array_mut().unwrap();
            let (mut one, mut other) = (Value::from(vec![list[0].take()]), Value::from(vec![list[1].take()]));
            filled(&mut one, confirmed, |_| {});
            filled(&mut other, unconfirmed, |_| {});
            let both = [one, other].into_iter().flat_map(|list| list.as_array().unwrap().clone());
            record["authenticators"] = both.collect();
        })
    };
    assert!(authenticators(64, 8).is_ok());
    for (confirmed, unconfirmed, refused) in [
        (65, 7, "more than 64 authenticators are confirmed"),
        (63, 9, "more than 8 authenticators are unconfirmed"),
    ] {
        let error = authenticators(confirmed, unconfirmed).unwrap_err().to_string();
        assert_eq!(error, format!("inconsistent record: {refused}"));
    }
}

/// A host may prolong the session of an elevation: what is written then can be read again, and the
/// attempts that are spent stay spent.
#[test]
fn a_prolonged_session_leaves_a_record_that_can_be_read() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(60);
    let elevation = elevation(&world.account(), 1, world.now);
    let session = |world: &World| {
        let until = world.now + Duration::seconds(100);
        Session::elevated(elevation.clone(), ElevatedScopes::ALL, until)
    };
    for attempts_left in (0..5).rev() {
        let elevated = session(&world);
        let associated = world.associate(&elevated, "new@example.com").unwrap();
        let guess = wrong(&world.mail().code);
        let denial = world.verify(&elevated, associated.oob_code.expose(), &guess).unwrap_err();
        assert_eq!(denial, Denial::InvalidBindingCode { attempts_left });
        let text = serde_json::to_string(&world.account()).unwrap();
        assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), world.account());
        world.pass(60);
    }
    let elevated = session(&world);
    assert_eq!(world.associate(&elevated, "new@example.com").unwrap_err(), Denial::AttemptsExhausted);
}
