//! Passkeys: what two at once may not both do, on both databases.

use crate::accounts::{BY, account, at_once, change, digest, invitation, session};
use crate::fresh::Fresh;
use crate::{NOW, on_both, open};
use whisperchat::accounts::Role;
use whisperchat::accounts::passkey::{PASSKEYS_MAX, PasskeyName};
use whisperchat::private::Private;
use whisperchat::store::{Account, AddedPasskey, NewPasskey, Store, StoreError, UsedPasskey};

on_both!(
    a_passkey_is_kept_as_it_was_made_and_used,
    what_a_passkey_has_signed_is_used_once,
    a_passkey_is_one_account_s,
    of_two_passkeys_that_are_removed_at_once_one_stays,
    no_more_are_added_than_there_may_be_however_many_are_at_once,
    a_passkey_is_not_added_in_a_session_that_has_ended,
    a_reset_takes_the_passkeys,
);

async fn add(
    store: &Store,
    owner: &Account,
    session: i64,
    number: u8,
) -> Result<AddedPasskey, StoreError> {
    let name: PasskeyName = format!("key {number}").parse().unwrap();
    let new = NewPasskey {
        account: owner.id,
        name: &name,
        digest: digest(number),
        credential: Private::new(format!("credential {number}")),
        session,
        codes: &[digest(101), digest(102)],
    };
    store.add_passkey(&new, BY).await
}

/// Somebody of this role with a passkey of this number: their account, and their session.
async fn keyed(store: &Store, name: &str, role: Role, number: u8) -> (Account, i64) {
    let owner = account(store, name, role).await;
    let id = session(store, &owner, number, false).await;
    let added = add(store, &owner, id, number).await.unwrap();
    assert!(added.are_codes_new);
    (store.account(owner.id).await.unwrap(), id)
}

fn used(owner: &Account, number: u8, counter: u32) -> UsedPasskey {
    UsedPasskey {
        account: owner.id,
        digest: digest(number),
        credential: Private::new(format!("credential {number} after {counter}")),
        counter,
    }
}

async fn a_passkey_is_kept_as_it_was_made_and_used(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, id) = keyed(&store, "mo", Role::Moderator, 1).await;
    assert!(mo.has_passkey && mo.has_factor() && !mo.has_totp);
    let second = add(&store, &mo, id, 2).await.unwrap();
    assert!(!second.are_codes_new, "there were some");
    assert_eq!(store.recovery_codes_left(mo.id).await.unwrap(), 2);
    let kept = store.passkeys(mo.id).await.unwrap();
    let [first, last] = &kept[..] else {
        panic!("{kept:?}");
    };
    assert_eq!(first.name.as_str(), "key 1");
    assert_eq!(first.credential.as_str(), "credential 1");
    assert_eq!((first.created_at_ms, first.last_used_at_ms), (NOW, None));
    assert_eq!(last.id, second.id);
    assert!(store.use_passkey(&used(&mo, 1, 5), BY).await.unwrap());
    let kept = store.passkeys(mo.id).await.unwrap();
    assert_eq!(kept[0].credential.as_str(), "credential 1 after 5");
    assert_eq!(kept[0].last_used_at_ms, Some(NOW));
    assert!(store.session(id).await.unwrap().unwrap().is_alive(NOW));
}

async fn what_a_passkey_has_signed_is_used_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, _) = keyed(&store, "mo", Role::Moderator, 1).await;
    let outcomes = at_once(6, |_| {
        let (store, mo) = (store.clone(), mo.clone());
        async move { store.use_passkey(&used(&mo, 1, 7), BY).await.unwrap() }
    })
    .await;
    let good = outcomes.iter().filter(|is_good| **is_good).count();
    assert_eq!(good, 1, "{outcomes:?}");
    for old in [0, 6, 7] {
        let is_good = store.use_passkey(&used(&mo, 1, old), BY).await.unwrap();
        assert!(!is_good, "{old}");
    }
    assert!(store.use_passkey(&used(&mo, 1, 8), BY).await.unwrap());
    store.doubt_passkey(mo.id, &digest(1), BY).await.unwrap();
    // Nobody is told of one that isn't there.
    store.doubt_passkey(mo.id, &digest(9), BY).await.unwrap();
    let log = store.audit(None, None, 100).await.unwrap().rows;
    let doubts = log.iter().filter(|entry| entry.action == "passkey.doubt");
    assert_eq!(doubts.count(), 1);
}

async fn a_passkey_is_one_account_s(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, mo_s) = keyed(&store, "mo", Role::Moderator, 1).await;
    let (eve, eve_s) = keyed(&store, "eve", Role::Moderator, 2).await;
    let twice = add(&store, &eve, eve_s, 1).await;
    assert!(
        matches!(twice, Err(StoreError::Unacceptable(_))),
        "{twice:?}"
    );
    assert!(!store.use_passkey(&used(&eve, 1, 1), BY).await.unwrap());
    let of_mo = store.passkeys(mo.id).await.unwrap()[0].id;
    let removed = store.remove_passkey(eve.id, of_mo, eve_s, BY).await;
    assert!(
        matches!(removed, Err(StoreError::NotFound(_))),
        "{removed:?}"
    );
    let only = store.remove_passkey(mo.id, of_mo, mo_s, BY).await;
    assert!(matches!(only, Err(StoreError::Unacceptable(_))), "{only:?}");
    assert_eq!(store.passkeys(mo.id).await.unwrap().len(), 1);
}

async fn of_two_passkeys_that_are_removed_at_once_one_stays(fresh: &Fresh) {
    let store = open(fresh).await;
    for round in 0..5u8 {
        let (one, other) = (round * 2 + 1, round * 2 + 2);
        let (mo, id) = keyed(&store, &format!("mo{round}"), Role::Moderator, one).await;
        add(&store, &mo, id, other).await.unwrap();
        let kept = store.passkeys(mo.id).await.unwrap();
        let ids = [kept[0].id, kept[1].id];
        let outcomes = at_once(2, |number| {
            let store = store.clone();
            let passkey = ids[usize::from(number)];
            async move { store.remove_passkey(mo.id, passkey, id, BY).await }
        })
        .await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(done, 1, "{round}: {outcomes:?}");
        assert_eq!(store.passkeys(mo.id).await.unwrap().len(), 1);
    }
    // A viewer may do without, and then the codes are for nothing.
    let (vera, id) = keyed(&store, "vera", Role::Viewer, 100).await;
    let only = store.passkeys(vera.id).await.unwrap()[0].id;
    store.remove_passkey(vera.id, only, id, BY).await.unwrap();
    assert!(!store.account(vera.id).await.unwrap().has_factor());
    assert_eq!(store.recovery_codes_left(vera.id).await.unwrap(), 0);
}

async fn no_more_are_added_than_there_may_be_however_many_are_at_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, id) = keyed(&store, "mo", Role::Moderator, 1).await;
    for number in 2..PASSKEYS_MAX as u8 {
        add(&store, &mo, id, number).await.unwrap();
    }
    let outcomes = at_once(4, |number| {
        let (store, mo) = (store.clone(), mo.clone());
        async move { add(&store, &mo, id, 50 + number).await }
    })
    .await;
    let added = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(added, 1, "{outcomes:?}");
    assert_eq!(store.passkeys(mo.id).await.unwrap().len(), PASSKEYS_MAX);
}

async fn a_passkey_is_not_added_in_a_session_that_has_ended(fresh: &Fresh) {
    let store = open(fresh).await;
    let mo = account(&store, "mo", Role::Moderator).await;
    let id = session(&store, &mo, 1, false).await;
    store.end_session(id, BY).await.unwrap();
    let late = add(&store, &mo, id, 1).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))), "{late:?}");
    assert!(!store.account(mo.id).await.unwrap().has_factor());
}

async fn a_reset_takes_the_passkeys(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, _) = keyed(&store, "mo", Role::Moderator, 1).await;
    store
        .reset_account(change(&mo), &invitation(200), BY)
        .await
        .unwrap();
    assert!(store.passkeys(mo.id).await.unwrap().is_empty());
    assert!(!store.account(mo.id).await.unwrap().has_factor());
}
