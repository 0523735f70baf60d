//! What is asked for by a key is made once.

use crate::common::within;
use crate::fresh::Fresh;
use crate::{ANN, BOB, NOW, ban, on_both, open};
use whisperchat::accounts::Role;
use whisperchat::private::Private;
use whisperchat::store::{
    AccountChange, BanFilter, By, Invitation, NewAccount, Once, Retention, Store, StoreError,
};

on_both!(
    what_is_asked_again_by_its_key_is_made_once,
    another_body_is_refused_and_another_asker_has_other_keys,
    what_is_asked_many_times_at_once_is_made_once,
    one_that_is_cut_off_at_any_moment_is_made_once,
    what_was_refused_is_not_remembered,
    an_account_is_invited_anew_until_it_is_touched,
    whoever_takes_an_account_while_it_is_invited_anew_takes_it_once,
    keys_are_forgotten_after_a_day,
);

const BY: By<'static> = By {
    actor: "account:ada",
    at_ms: NOW,
};

fn once(key: &str) -> Once<'_> {
    Once {
        actor: "account:ada",
        route: "POST /api/v1/bans",
        key,
        digest: [1; 32],
        at_ms: NOW,
    }
}

fn new_account(name: &str, invitation: u8) -> NewAccount {
    NewAccount {
        name: name.parse().unwrap(),
        role: Role::Viewer,
        invitation: Invitation {
            digest: [invitation; 32],
            expires_at_ms: NOW + 1000,
        },
    }
}

async fn bans(store: &Store) -> usize {
    let page = store.bans(&BanFilter::default(), None, 500).await;
    page.unwrap().rows.len()
}

async fn what_is_asked_again_by_its_key_is_made_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let first = store.add_ban_once(&ban(BOB), &once("one")).await.unwrap();
    let again = store.add_ban_once(&ban(BOB), &once("one")).await.unwrap();
    assert_eq!(again, first);
    let other = store.add_ban_once(&ban(BOB), &once("two")).await.unwrap();
    assert_ne!(other.id, first.id);
    assert_eq!(bans(&store).await, 2);
    let entries = store.audit(None, None, 10).await.unwrap();
    assert_eq!(entries.rows.len(), 2, "what was made once is written once");
    // After a restart, and as it is by now.
    store.lift_ban(first.id, 1, "ada", NOW + 1).await.unwrap();
    store.close().await;
    let store = open(fresh).await;
    let again = store.add_ban_once(&ban(BOB), &once("one")).await.unwrap();
    assert_eq!((again.id, again.lifted_at_ms), (first.id, Some(NOW + 1)));
}

async fn another_body_is_refused_and_another_asker_has_other_keys(fresh: &Fresh) {
    let store = open(fresh).await;
    let first = store.add_ban_once(&ban(BOB), &once("key")).await.unwrap();
    let mut other_body = once("key");
    other_body.digest = [2; 32];
    let refused = store.add_ban_once(&ban(ANN), &other_body).await;
    assert!(matches!(refused, Err(StoreError::KeyReused)), "{refused:?}");
    assert_eq!(bans(&store).await, 1);
    let mut others = [once("key"), once("key"), once("Key")];
    others[0].actor = "account:eve";
    others[1].route = "POST /api/v1/elsewhere";
    for other in others {
        let made = store.add_ban_once(&ban(ANN), &other).await.unwrap();
        assert_ne!(made.id, first.id, "{other:?}");
    }
    let long = "x".repeat(801);
    let refused = store.add_ban_once(&ban(ANN), &once(&long)).await;
    assert!(
        matches!(refused, Err(StoreError::Unacceptable(_))),
        "{refused:?}"
    );
    assert_eq!(bans(&store).await, 4);
}

async fn what_is_asked_many_times_at_once_is_made_once(fresh: &Fresh) {
    let store = open(fresh).await;
    for round in 0..5 {
        let (key, name) = (format!("key-{round}"), format!("ann{round}"));
        let mut tasks = Vec::new();
        for number in 0..6_u8 {
            let (store, key, name) = (store.clone(), key.clone(), name.clone());
            tasks.push(tokio::spawn(async move {
                let made = store.add_ban_once(&ban(BOB), &once(&key)).await;
                // By the same name, too: without the key, all but one would be told that it is taken.
                let new = new_account(&name, 10 * round + number);
                let mut at = once(&key);
                at.route = "POST /api/v1/accounts";
                let account = store.add_account_once(&new, &at, BY).await;
                (made.unwrap().id, account.unwrap().account.id)
            }));
        }
        let mut made = Vec::new();
        for task in tasks {
            made.push(within("one of several at once", task).await.unwrap());
        }
        assert!(made.iter().all(|ids| *ids == made[0]), "{made:?}");
    }
    assert_eq!(bans(&store).await, 5);
}

/// Each of its waits is one for the database. Whatever it has done by then, it is done once in the end.
async fn one_that_is_cut_off_at_any_moment_is_made_once(fresh: &Fresh) {
    let store = open(fresh).await;
    for polls in 0..40 {
        let key = format!("key-{polls}");
        let (new, by_key) = (ban(BOB), once(&key));
        let mut asking = Box::pin(store.add_ban_once(&new, &by_key));
        let mut polled = 0;
        std::future::poll_fn(|context| {
            if polled == polls {
                return std::task::Poll::Ready(());
            }
            polled += 1;
            asking.as_mut().poll(context).map(drop)
        })
        .await;
        drop(asking);
        store.add_ban_once(&ban(BOB), &once(&key)).await.unwrap();
        assert_eq!(bans(&store).await, polls + 1, "cut off after {polls}");
    }
}

async fn what_was_refused_is_not_remembered(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut impossible = ban(BOB);
    impossible.report = Some(7);
    let refused = store.add_ban_once(&impossible, &once("key")).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound("report"))),
        "{refused:?}"
    );
    let mut other = once("key");
    other.digest = [2; 32];
    store.add_ban_once(&ban(BOB), &other).await.unwrap();

    store.add_account(&new_account("ann", 1), BY).await.unwrap();
    let taken = store
        .add_account_once(&new_account("ann", 2), &once("ann"), BY)
        .await;
    assert!(
        matches!(taken, Err(StoreError::Unacceptable(_))),
        "{taken:?}"
    );
    let made = store
        .add_account_once(&new_account("bea", 3), &once("ann"), BY)
        .await;
    assert_eq!(made.unwrap().account.name.as_str(), "bea");
}

async fn an_account_is_invited_anew_until_it_is_touched(fresh: &Fresh) {
    let store = open(fresh).await;
    let first = store
        .add_account_once(&new_account("ann", 1), &once("key"), BY)
        .await
        .unwrap();
    assert!(first.is_invited);
    let again = store
        .add_account_once(&new_account("ann", 2), &once("key"), BY)
        .await
        .unwrap();
    assert!(again.is_invited);
    assert_eq!(again.account, first.account);
    assert!(store.invited(&[1; 32], NOW).await.is_err());
    assert!(store.invited(&[2; 32], NOW).await.is_ok());
    // By an admin's change it is theirs, and the invitation of before stays good.
    let change = AccountChange {
        id: first.account.id,
        version: 1,
        role: Some(Role::Moderator),
        is_disabled: None,
        keeps_an_admin: false,
    };
    let changed = store.change_account(change, BY).await.unwrap();
    let late = store
        .add_account_once(&new_account("ann", 3), &once("key"), BY)
        .await
        .unwrap();
    assert!(!late.is_invited);
    assert_eq!(late.account, changed);
    assert!(store.invited(&[2; 32], NOW).await.is_ok());
    assert!(store.invited(&[3; 32], NOW).await.is_err());
    let entries = store.audit(None, None, 10).await.unwrap().rows;
    let actions: Vec<_> = entries.iter().rev().map(|entry| &entry.action).collect();
    assert_eq!(
        actions,
        ["account.create", "account.invite", "account.change"]
    );
}

async fn whoever_takes_an_account_while_it_is_invited_anew_takes_it_once(fresh: &Fresh) {
    let store = open(fresh).await;
    for round in 0..10_u8 {
        let (name, key) = (format!("ann{round}"), format!("key-{round}"));
        let (first, second) = (2 * round + 1, 2 * round + 2);
        let made = store
            .add_account_once(&new_account(&name, first), &once(&key), BY)
            .await
            .unwrap();
        let owner = tokio::spawn({
            let store = store.clone();
            async move {
                let password = Private::new("first".to_owned());
                store.take_invitation(&[first; 32], &password, BY).await
            }
        });
        let again = store
            .add_account_once(&new_account(&name, second), &once(&key), BY)
            .await
            .unwrap();
        let taken = within("whoever takes it", owner).await.unwrap();
        // Whoever has a code that is good is whoever can take it: never both.
        assert_ne!(taken.is_ok(), again.is_invited, "{taken:?} {again:?}");
        let is_open = store.invited(&[second; 32], NOW).await.is_ok();
        assert_eq!(is_open, again.is_invited);
        let account = store.account(made.account.id).await.unwrap();
        assert_eq!(account.password.is_some(), taken.is_ok());
    }
}

async fn keys_are_forgotten_after_a_day(fresh: &Fresh) {
    const DAY_MS: i64 = 24 * 3_600_000;
    let store = open(fresh).await;
    let retention = Retention {
        reports_ms: 10 * DAY_MS,
        bans_ms: 10 * DAY_MS,
        audit_ms: 10 * DAY_MS,
        calls_ms: 10 * DAY_MS,
    };
    let first = store.add_ban_once(&ban(BOB), &once("key")).await.unwrap();
    store.sweep(NOW + DAY_MS, &retention).await.unwrap();
    let again = store.add_ban_once(&ban(BOB), &once("key")).await.unwrap();
    assert_eq!(again.id, first.id);
    store.sweep(NOW + DAY_MS + 1, &retention).await.unwrap();
    let later = store.add_ban_once(&ban(BOB), &once("key")).await.unwrap();
    assert_ne!(later.id, first.id);
    // A ban that is gone while its key is remembered is not made anew.
    store.lift_ban(later.id, 1, "ada", NOW).await.unwrap();
    let at_once = Retention {
        bans_ms: 0,
        ..retention
    };
    store.sweep(NOW + 1, &at_once).await.unwrap();
    let gone = store.add_ban_once(&ban(BOB), &once("key")).await;
    assert!(matches!(gone, Err(StoreError::NotFound("ban"))), "{gone:?}");
}
