//! Accounts: what two at once may not both do, on both databases.

use crate::common::within;
use crate::fresh::Fresh;
use crate::{NOW, on_both, open};
use whisperchat::accounts::opaque::Opaque;
use whisperchat::accounts::refresh::{IDLE_MS, WHOLE_MS};
use whisperchat::accounts::totp::{Secret, Step};
use whisperchat::accounts::{Role, Standing};
use whisperchat::private::Private;
use whisperchat::store::{
    Account, AccountChange, By, Confirmed, Invitation, NewAccount, NewSession, PasswordChange,
    Store, StoreError, Turned,
};

on_both!(
    a_name_is_there_once,
    an_invitation_is_used_once_however_many_use_it_at_once,
    a_refresh_token_is_used_once_however_many_use_it_at_once,
    a_session_ends_by_itself,
    admins_who_remove_each_other_leave_one,
    of_changes_of_one_version_one_goes_through,
    a_session_does_not_begin_while_its_account_is_disabled,
    no_session_begins_by_the_password_alone_once_a_factor_is_in_use,
    a_code_and_a_recovery_code_are_used_once,
    a_factor_is_replaced_by_another_and_by_nothing_in_between,
    a_reset_takes_everything_that_lets_in,
    what_is_old_is_swept,
);

pub(crate) const BY: By<'static> = By {
    actor: "a test",
    at_ms: NOW,
};

fn hash(text: &str) -> Private<String> {
    Private::new(text.to_owned())
}

pub(crate) fn digest(number: u8) -> [u8; 32] {
    [number; 32]
}

pub(crate) fn invitation(number: u8) -> Invitation {
    Invitation {
        digest: digest(number),
        expires_at_ms: NOW + 1000,
    }
}

/// An account that was taken, with the password hash `first`.
pub(crate) async fn account(store: &Store, name: &str, role: Role) -> Account {
    let number = name
        .bytes()
        .fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let new = NewAccount {
        name: name.parse().unwrap(),
        role,
        invitation: invitation(number),
    };
    store.add_account(&new, BY).await.unwrap();
    store
        .take_invitation(&digest(number), &hash("first"), BY)
        .await
        .unwrap()
}

pub(crate) async fn session(
    store: &Store,
    account: &Account,
    number: u8,
    with_factor: bool,
) -> i64 {
    let new = NewSession {
        account: account.id,
        password: hash("first"),
        with_factor,
        family: digest(number),
        turn: digest(number),
    };
    store
        .begin_session(&new, BY)
        .await
        .unwrap()
        .expect("it begins")
}

pub(crate) fn change(account: &Account) -> AccountChange {
    AccountChange {
        id: account.id,
        version: account.version,
        role: None,
        is_disabled: None,
        keeps_an_admin: true,
    }
}

/// Does the same so often at once, and returns what came of each.
pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    times: u8,
    what: impl Fn(u8) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..times)
        .map(|number| tokio::spawn(what(number)))
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(within("one of several at once", task).await.unwrap());
    }
    outcomes
}

async fn a_name_is_there_once(fresh: &Fresh) {
    let store = open(fresh).await;
    assert!(!store.has_accounts().await.unwrap());
    let outcomes = at_once(6, |number| {
        let store = store.clone();
        async move {
            let new = NewAccount {
                name: "ann".parse().unwrap(),
                role: Role::Viewer,
                invitation: invitation(number),
            };
            store.add_account(&new, BY).await
        }
    })
    .await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "{outcomes:?}"
    );
    let is_said = |outcome: &Result<Account, StoreError>| {
        matches!(outcome, Ok(_) | Err(StoreError::Unacceptable(_)))
    };
    assert!(outcomes.iter().all(is_said), "{outcomes:?}");
    assert!(store.has_accounts().await.unwrap());
    let entries = store.audit(None, None, 10).await.unwrap();
    assert_eq!(entries.rows.len(), 1, "what was not done is not in the log");
}

async fn an_invitation_is_used_once_however_many_use_it_at_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let new = NewAccount {
        name: "ann".parse().unwrap(),
        role: Role::Viewer,
        invitation: invitation(1),
    };
    store.add_account(&new, BY).await.unwrap();
    let late = By {
        at_ms: NOW + 1000,
        ..BY
    };
    let outcome = store.take_invitation(&digest(1), &hash("late"), late).await;
    assert!(
        matches!(outcome, Err(StoreError::NotFound(_))),
        "{outcome:?}"
    );
    let outcomes = at_once(6, |number| {
        let store = store.clone();
        async move {
            store
                .take_invitation(&digest(1), &hash(&format!("hash {number}")), BY)
                .await
        }
    })
    .await;
    let taken: Vec<_> = outcomes.iter().flatten().collect();
    let [taken] = taken[..] else {
        panic!("{outcomes:?}");
    };
    let now = store.account(taken.id).await.unwrap();
    assert_eq!(now.password, taken.password);
}

async fn a_refresh_token_is_used_once_however_many_use_it_at_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let ann = account(&store, "ann", Role::Viewer).await;
    let id = session(&store, &ann, 1, false).await;
    let turn = |from: u8, to: u8| {
        let store = store.clone();
        async move {
            store
                .turn_session(&digest(1), &digest(from), &digest(to), NOW + 1)
                .await
                .unwrap()
        }
    };
    assert!(matches!(turn(1, 2).await, Turned::On(_)));
    assert!(matches!(turn(2, 3).await, Turned::On(_)));
    let outcomes = at_once(6, |number| turn(3, 100 + number)).await;
    let is_on = |outcome: &&Turned| matches!(outcome, Turned::On(_));
    assert_eq!(outcomes.iter().filter(is_on).count(), 1, "{outcomes:?}");
    let is_reused = |outcome: &&Turned| matches!(outcome, Turned::Reused(_));
    assert_eq!(outcomes.iter().filter(is_reused).count(), 1, "{outcomes:?}");
    assert!(!store.session(id).await.unwrap().unwrap().is_alive(NOW));
    let unknown = store
        .turn_session(&digest(9), &digest(9), &digest(8), NOW)
        .await
        .unwrap();
    assert_eq!(unknown, Turned::Over);
}

async fn a_session_ends_by_itself(fresh: &Fresh) {
    let store = open(fresh).await;
    let ann = account(&store, "ann", Role::Viewer).await;
    session(&store, &ann, 1, false).await;
    let idle = store
        .turn_session(&digest(1), &digest(1), &digest(2), NOW + IDLE_MS)
        .await;
    assert_eq!(idle.unwrap(), Turned::Over);
    session(&store, &ann, 3, false).await;
    let (mut turn, mut at_ms) = (digest(3), NOW);
    while at_ms + IDLE_MS < NOW + WHOLE_MS {
        at_ms += IDLE_MS - 1;
        let next = Opaque::parse(&"A".repeat(43)).unwrap().digest();
        let next = if next == turn { digest(4) } else { next };
        let turned = store
            .turn_session(&digest(3), &turn, &next, at_ms)
            .await
            .unwrap();
        assert!(matches!(turned, Turned::On(_)), "{at_ms}: {turned:?}");
        turn = next;
    }
    let whole = store
        .turn_session(&digest(3), &turn, &digest(5), NOW + WHOLE_MS)
        .await;
    assert_eq!(whole.unwrap(), Turned::Over);
}

async fn admins_who_remove_each_other_leave_one(fresh: &Fresh) {
    let store = open(fresh).await;
    for round in 0..5 {
        let mut admins = Vec::new();
        for name in ["ada", "eve"] {
            admins.push(account(&store, &format!("{name}{round}"), Role::Admin).await);
        }
        let outcomes = at_once(2, |number| {
            let (store, admin) = (store.clone(), admins[usize::from(number)].clone());
            async move {
                let demoted = AccountChange {
                    role: Some(Role::Viewer),
                    ..change(&admin)
                };
                let disabled = AccountChange {
                    is_disabled: Some(true),
                    ..change(&admin)
                };
                let change = if number == 0 { demoted } else { disabled };
                store.change_account(change, BY).await
            }
        })
        .await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(done, 1, "{round}: {outcomes:?}");
        let is_last = |outcome: &Result<Account, StoreError>| {
            matches!(outcome, Err(StoreError::Unacceptable(_)))
        };
        assert!(outcomes.iter().any(is_last), "{round}: {outcomes:?}");
        // The one that is left makes room for the next two.
        for admin in admins {
            let admin = store.account(admin.id).await.unwrap();
            let gone = AccountChange {
                is_disabled: Some(true),
                keeps_an_admin: false,
                ..change(&admin)
            };
            store.change_account(gone, BY).await.unwrap();
        }
    }
}

async fn of_changes_of_one_version_one_goes_through(fresh: &Fresh) {
    let store = open(fresh).await;
    account(&store, "ada", Role::Admin).await;
    let ann = account(&store, "ann", Role::Viewer).await;
    let outcomes = at_once(5, |_| {
        let (store, ann) = (store.clone(), ann.clone());
        async move {
            let raised = AccountChange {
                role: Some(Role::Moderator),
                ..change(&ann)
            };
            store.change_account(raised, BY).await
        }
    })
    .await;
    let now = ann.version + 1;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "{outcomes:?}"
    );
    let stale = |outcome: &&Result<Account, StoreError>| matches!(outcome, Err(StoreError::Stale { now: is }) if *is == now);
    assert_eq!(outcomes.iter().filter(stale).count(), 4, "{outcomes:?}");
}

async fn a_session_does_not_begin_while_its_account_is_disabled(fresh: &Fresh) {
    let store = open(fresh).await;
    account(&store, "ada", Role::Admin).await;
    for round in 0..5u8 {
        let ann = account(&store, &format!("ann{round}"), Role::Viewer).await;
        let beginning = {
            let (store, id) = (store.clone(), ann.id);
            tokio::spawn(async move {
                let new = NewSession {
                    account: id,
                    password: hash("first"),
                    with_factor: false,
                    family: digest(round),
                    turn: digest(round),
                };
                store.begin_session(&new, BY).await.unwrap()
            })
        };
        let disabled = AccountChange {
            is_disabled: Some(true),
            ..change(&ann)
        };
        store.change_account(disabled, BY).await.unwrap();
        let begun = within("a session to begin or not", beginning)
            .await
            .unwrap();
        if let Some(id) = begun {
            let session = store.session(id).await.unwrap().unwrap();
            assert!(!session.is_alive(NOW));
        }
        // It does not come to life again with the account.
        let now = store.account(ann.id).await.unwrap();
        let enabled = AccountChange {
            is_disabled: Some(false),
            ..change(&now)
        };
        store.change_account(enabled, BY).await.unwrap();
        if let Some(id) = begun {
            assert!(!store.session(id).await.unwrap().unwrap().is_alive(NOW));
        }
    }
    let ann = store
        .account_named(&"ann0".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let changed = PasswordChange {
        account: ann.id,
        before: hash("first"),
        after: hash("second"),
    };
    store.change_password(&changed, 0, BY).await.unwrap();
    let again = store.change_password(&changed, 0, BY).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    let new = NewSession {
        account: ann.id,
        password: hash("first"),
        with_factor: false,
        family: digest(99),
        turn: digest(99),
    };
    assert_eq!(
        store.begin_session(&new, BY).await.unwrap(),
        None,
        "by the password of before"
    );
}

/// A factor that is in use, and its session.
async fn with_factor(store: &Store, name: &str, number: u8) -> (Account, i64) {
    let owner = account(store, name, Role::Moderator).await;
    let id = session(store, &owner, number, false).await;
    enrol(store, &owner, id, number).await;
    (store.account(owner.id).await.unwrap(), id)
}

async fn enrol(store: &Store, owner: &Account, session: i64, number: u8) {
    let secret = Secret::from_bytes(&[number; 20]).unwrap();
    store.begin_factor(owner.id, &secret, BY).await.unwrap();
    let factor = store.factor_enrolling(owner.id).await.unwrap().unwrap();
    assert_eq!(factor.secret, secret);
    let confirmed = Confirmed {
        account: owner.id,
        factor: factor.id,
        step: Step(100),
        session,
        codes: &[digest(1), digest(2)],
    };
    store.confirm_factor(confirmed, BY).await.unwrap();
    let again = store.confirm_factor(confirmed, BY).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
}

async fn no_session_begins_by_the_password_alone_once_a_factor_is_in_use(fresh: &Fresh) {
    let store = open(fresh).await;
    for round in 0..10 {
        let ann = account(&store, &format!("ann{round}"), Role::Viewer).await;
        let first = session(&store, &ann, 2 * round, false).await;
        let new = NewSession {
            account: ann.id,
            password: hash("first"),
            with_factor: false,
            family: digest(2 * round + 1),
            turn: digest(2 * round + 1),
        };
        // Asked whether there is a factor when there was none; whoever comes first, it is not there at the end.
        let begin = store.begin_session(&new, BY);
        let (begun, ()) = tokio::join!(begin, enrol(&store, &ann, first, round));
        begun.unwrap();
        let alive = store.sessions_of(ann.id, NOW).await.unwrap();
        assert_eq!(alive.iter().map(|it| it.id).collect::<Vec<_>>(), [first]);
        let late = NewSession {
            family: digest(100 + round),
            turn: digest(100 + round),
            ..new
        };
        assert_eq!(store.begin_session(&late, BY).await.unwrap(), None);
    }
}

async fn a_code_and_a_recovery_code_are_used_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, _) = with_factor(&store, "mo", 1).await;
    let factor = store.factor(mo.id).await.unwrap().unwrap();
    assert_eq!(factor.last_step, Some(Step(100)));
    let used = at_once(6, |_| {
        let store = store.clone();
        async move { store.use_step(factor.id, Step(101)).await.unwrap() }
    })
    .await;
    assert_eq!(used.iter().filter(|used| **used).count(), 1, "{used:?}");
    assert!(
        !store.use_step(factor.id, Step(100)).await.unwrap(),
        "none before it either"
    );
    let used = at_once(6, |_| {
        let store = store.clone();
        async move {
            store
                .use_recovery_code(mo.id, &digest(1), BY)
                .await
                .unwrap()
        }
    })
    .await;
    let left: Vec<_> = used.into_iter().flatten().collect();
    assert_eq!(left, [1]);
    assert_eq!(
        store
            .use_recovery_code(mo.id, &digest(9), BY)
            .await
            .unwrap(),
        None
    );
}

async fn a_factor_is_replaced_by_another_and_by_nothing_in_between(fresh: &Fresh) {
    let store = open(fresh).await;
    let (mo, id) = with_factor(&store, "mo", 1).await;
    let standing = store.session(id).await.unwrap().unwrap().standing;
    assert_eq!(standing, Standing::Full);
    let secret = Secret::from_bytes(&[2; 20]).unwrap();
    store.begin_factor(mo.id, &secret, BY).await.unwrap();
    let in_use = store.factor(mo.id).await.unwrap().unwrap();
    assert_eq!(in_use.secret.as_bytes(), [1; 20]);
    enrol(&store, &mo, id, 3).await;
    let in_use = store.factor(mo.id).await.unwrap().unwrap();
    assert_eq!(in_use.secret.as_bytes(), [3; 20]);
    assert!(store.factor_enrolling(mo.id).await.unwrap().is_none());
    assert_eq!(store.recovery_codes_left(mo.id).await.unwrap(), 2);
}

async fn a_reset_takes_everything_that_lets_in(fresh: &Fresh) {
    let store = open(fresh).await;
    account(&store, "ada", Role::Admin).await;
    let (mo, id) = with_factor(&store, "mo", 1).await;
    store
        .reset_account(change(&mo), &invitation(200), BY)
        .await
        .unwrap();
    let now = store.account(mo.id).await.unwrap();
    assert!(now.password.is_none() && !now.has_factor(), "{now:?}");
    assert!(!store.session(id).await.unwrap().unwrap().is_alive(NOW));
    assert_eq!(store.recovery_codes_left(mo.id).await.unwrap(), 0);
    assert_eq!(store.invited(&digest(200), NOW).await.unwrap().id, mo.id);
    let old = store.reset_account(change(&mo), &invitation(201), BY).await;
    assert!(matches!(old, Err(StoreError::Stale { .. })), "{old:?}");
}

async fn what_is_old_is_swept(fresh: &Fresh) {
    let store = open(fresh).await;
    let ann = account(&store, "ann", Role::Viewer).await;
    let id = session(&store, &ann, 1, false).await;
    let retention = whisperchat::store::Retention {
        reports_ms: 1,
        bans_ms: 1,
        audit_ms: 1,
        calls_ms: 1,
    };
    store.sweep(NOW + 1000, &retention).await.unwrap();
    assert!(store.session(id).await.unwrap().is_some());
    store
        .sweep(NOW + 40 * 24 * 3_600_000, &retention)
        .await
        .unwrap();
    assert!(store.session(id).await.unwrap().is_none());
    assert!(store.account(ann.id).await.is_ok(), "accounts stay");
}
