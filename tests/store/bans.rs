//! Bans, and keys beside them.

use crate::fresh::Fresh;
use crate::{ANN, BOB, NOW, ban, on_both, open};
use whisperchat::private::Private;
use whisperchat::store::{Ban, BanFilter, Measure, Store, StoreError, Subject};

on_both!(
    a_ban_comes_back_as_it_was_made_even_after_a_restart,
    a_ban_holds_until_it_ends_or_is_lifted,
    of_two_who_lift_a_ban_at_once_one_is_told_that_it_has_changed,
    a_ban_of_nobody_or_for_no_report_is_refused,
    bans_are_found_by_whom_they_are_about,
    what_another_server_has_done_can_be_asked_for,
    all_bans_in_force_are_read_page_by_page,
    servers_that_start_at_once_agree_on_one_key,
    a_key_that_is_retired_is_not_used_and_stays_until_its_time,
    what_an_actor_has_done_about_somebody_of_late_is_known,
    servers_that_replace_a_key_at_once_leave_one_that_counts,
);

async fn in_force(store: &Store, at_ms: i64) -> Vec<i64> {
    let page = store.bans_in_force(at_ms, None, 100).await.unwrap();
    assert!(page.rows.iter().all(|ban| ban.is_in_force(at_ms)));
    page.rows.iter().map(|ban| ban.id).collect()
}

async fn a_ban_comes_back_as_it_was_made_even_after_a_restart(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut new = ban(BOB);
    new.measure = Measure::Shadow;
    new.network = Some(Private::new("192.0.2.0/24".to_owned()));
    new.expires_at_ms = Some(NOW + 60_000);
    let made = store.add_ban(&new).await.unwrap();
    store.close().await;
    let expected = Ban {
        id: made.id,
        measure: Measure::Shadow,
        subject: Some(BOB),
        network: new.network,
        reason: new.reason,
        appeal: new.appeal,
        report: None,
        created_at_ms: NOW,
        created_by: "moderator".to_owned(),
        expires_at_ms: Some(NOW + 60_000),
        lifted_at_ms: None,
        lifted_by: None,
        version: 1,
    };
    assert_eq!(made, expected);
    assert_eq!(open(fresh).await.ban(made.id).await.unwrap(), expected);
}

async fn a_ban_holds_until_it_ends_or_is_lifted(fresh: &Fresh) {
    let store = open(fresh).await;
    let forever = store.add_ban(&ban(ANN)).await.unwrap();
    let mut timed = ban(BOB);
    timed.expires_at_ms = Some(NOW + 1000);
    let timed = store.add_ban(&timed).await.unwrap().id;
    assert_eq!(in_force(&store, NOW).await, [forever.id, timed]);
    assert_eq!(in_force(&store, NOW + 999).await, [forever.id, timed]);
    assert_eq!(in_force(&store, NOW + 1000).await, [forever.id]);
    let lifted = store.lift_ban(forever.id, 1, "admin", NOW + 500).await;
    let lifted = lifted.unwrap();
    assert_eq!(lifted.lifted_by.as_deref(), Some("admin"));
    assert_eq!((lifted.lifted_at_ms, lifted.version), (Some(NOW + 500), 2));
    assert_eq!(in_force(&store, NOW + 999).await, [timed]);
    let written = store.audit(None, None, 10).await.unwrap().rows;
    let written: Vec<_> = written
        .iter()
        .map(|it| (it.action.as_str(), it.actor.as_str(), it.target.clone()))
        .collect();
    let target = |id| format!("ban:{id}");
    assert_eq!(
        written,
        [
            ("ban.lift", "admin", target(forever.id)),
            ("ban.add", "moderator", target(timed)),
            ("ban.add", "moderator", target(forever.id)),
        ]
    );
}

async fn of_two_who_lift_a_ban_at_once_one_is_told_that_it_has_changed(fresh: &Fresh) {
    let store = open(fresh).await;
    for _ in 0..20 {
        let id = store.add_ban(&ban(BOB)).await.unwrap().id;
        let outcomes = tokio::join!(
            store.lift_ban(id, 1, "one", NOW),
            store.lift_ban(id, 1, "other", NOW)
        );
        let refused = match outcomes {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, StoreError::Stale { now: 2 }), "{refused}");
    }
    let again = store.lift_ban(1, 2, "one", NOW).await;
    assert!(matches!(again, Err(StoreError::Stale { now: 2 })));
    let nothing = store.lift_ban(1000, 1, "one", NOW).await;
    assert!(matches!(nothing, Err(StoreError::NotFound("ban"))));
}

async fn a_ban_of_nobody_or_for_no_report_is_refused(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut of_nobody = ban(BOB);
    of_nobody.subject = None;
    let outcome = store.add_ban(&of_nobody).await;
    assert!(matches!(outcome, Err(StoreError::Unacceptable(_))));
    let mut for_nothing = ban(BOB);
    for_nothing.report = Some(42);
    let outcome = store.add_ban(&for_nothing).await;
    assert!(matches!(outcome, Err(StoreError::NotFound("report"))));
    assert_eq!(store.audit(None, None, 10).await.unwrap().rows, []);
}

async fn bans_are_found_by_whom_they_are_about(fresh: &Fresh) {
    let store = open(fresh).await;
    let of_ann = store.add_ban(&ban(ANN)).await.unwrap();
    let mut of_network = ban(BOB);
    of_network.subject = None;
    of_network.network = Some(Private::new("192.0.2.0/24".to_owned()));
    of_network.expires_at_ms = Some(NOW + 10);
    let of_network = store.add_ban(&of_network).await.unwrap();
    let shown = async |filter: BanFilter| store.bans(&filter, None, 10).await.unwrap().rows;
    let all = BanFilter::default();
    let both = [of_network.clone(), of_ann.clone()];
    assert_eq!(shown(all.clone()).await, both, "the newest first");
    let mut filter = all.clone();
    filter.subject = Some(ANN);
    assert_eq!(shown(filter).await, vec![of_ann.clone()]);
    let mut filter = all.clone();
    filter.network = Some("192.0.2.0/24".to_owned());
    assert_eq!(shown(filter).await, [of_network]);
    let mut filter = all;
    filter.in_force_at_ms = Some(NOW + 10);
    assert_eq!(shown(filter).await, [of_ann]);
}

async fn what_another_server_has_done_can_be_asked_for(fresh: &Fresh) {
    let (here, there) = (open(fresh).await, open(fresh).await);
    let old = there.add_ban(&ban(ANN)).await.unwrap();
    let mut new = ban(BOB);
    new.created_at_ms = NOW + 100;
    let new = there.add_ban(&new).await.unwrap();
    let changed = async |since| here.bans_changed(since, None, 10).await.unwrap().rows;
    assert_eq!(changed(NOW + 101).await, []);
    assert_eq!(changed(NOW + 100).await, vec![new.clone()]);
    let old = there.lift_ban(old.id, 1, "admin", NOW + 200).await.unwrap();
    assert_eq!(changed(NOW + 150).await, vec![old.clone()]);
    assert_eq!(changed(NOW).await, [old, new]);
}

async fn all_bans_in_force_are_read_page_by_page(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut made = Vec::new();
    for number in 0..25_u8 {
        made.push(store.add_ban(&ban(Subject([number; 16]))).await.unwrap());
    }
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = store.bans_in_force(NOW, after, 10).await.unwrap();
        read.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, made);
}

async fn what_an_actor_has_done_about_somebody_of_late_is_known(fresh: &Fresh) {
    let store = open(fresh).await;
    let of = |by: &str, measure, age_ms| {
        let mut new = ban(ANN);
        (new.measure, new.created_by) = (measure, by.to_owned());
        new.created_at_ms = NOW - age_ms;
        new
    };
    for new in [
        of("rule", Measure::Slow, 0),
        of("rule", Measure::Slow, 1),
        of("rule", Measure::Ban, 100),
        of("rule", Measure::Shadow, 101),
        of("ann", Measure::Shadow, 0),
    ] {
        let made = store.add_ban(&new).await.unwrap();
        let lifted = store.lift_ban(made.id, made.version, "ann", NOW).await;
        lifted.unwrap();
    }
    let mut measures = store.measures_by("rule", ANN, NOW - 100).await.unwrap();
    measures.sort_by_key(|measure| measure.word());
    assert_eq!(measures, [Measure::Ban, Measure::Slow]);
    assert_eq!(store.measures_by("rule", BOB, 0).await.unwrap(), []);
}

async fn servers_that_start_at_once_agree_on_one_key(fresh: &Fresh) {
    let mut servers = Vec::new();
    for number in 0..6_u8 {
        let store = open(fresh).await;
        servers.push(tokio::spawn(async move {
            let secret = [number; 32];
            store.key_or_add("pass", &secret, NOW).await.unwrap()
        }));
    }
    let mut keys = Vec::new();
    for server in servers {
        keys.push(server.await.unwrap());
    }
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let store = open(fresh).await;
    assert_eq!(store.keys("pass").await.unwrap(), [keys[0].clone()]);
    assert_eq!(store.keys("token").await.unwrap(), []);
}

async fn a_key_that_is_retired_is_not_used_and_stays_until_its_time(fresh: &Fresh) {
    let store = open(fresh).await;
    let old = store.key_or_add("token", b"old", NOW).await.unwrap();
    assert_eq!(&**old.secret, b"old");
    let new = store
        .replace_keys("token", b"new", NOW + 1, NOW + 1000)
        .await;
    let new = new.unwrap();
    let used = store.key_or_add("token", b"unused", NOW + 2).await.unwrap();
    assert_eq!(used, new);
    let all = store.keys("token").await.unwrap();
    let ends = all.iter().map(|key| (key.id, key.retired_at_ms));
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends, [(new.id, None), (old.id, Some(NOW + 1000))]);
}

async fn servers_that_replace_a_key_at_once_leave_one_that_counts(fresh: &Fresh) {
    let store = open(fresh).await;
    store.key_or_add("token", b"old", NOW).await.unwrap();
    let other = store.replace_keys("pass", b"other", NOW, NOW).await;
    other.unwrap();
    let mut servers = Vec::new();
    for number in 0..6_u8 {
        let store = open(fresh).await;
        servers.push(tokio::spawn(async move {
            let secret = [number; 32];
            let replaced = store.replace_keys("token", &secret, NOW, NOW + 1000);
            replaced.await.unwrap()
        }));
    }
    for server in servers {
        server.await.unwrap();
    }
    for (purpose, how_many) in [("token", 7), ("pass", 1)] {
        let keys = store.keys(purpose).await.unwrap();
        assert_eq!(keys.len(), how_many);
        let lasting = keys.iter().filter(|key| key.retired_at_ms.is_none());
        assert_eq!(lasting.count(), 1, "{purpose}: {keys:?}");
    }
}
