//! Every scenario against the real server.

use crate::common::Server;
use crate::{EXIT_USAGE, Ran};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::json;
use std::fs;
use std::time::UNIX_EPOCH;

#[tokio::test]
async fn hermits_wait_and_are_met_by_nobody() {
    let server = Server::start(&[]);
    let ran = Ran::against(
        server.address(),
        &[
            "idle",
            "--connections",
            "60",
            "--duration",
            "1s",
            "--classic",
            "0.5",
        ],
    );
    ran.assert_all_well();
    assert_eq!(ran.count("connections"), 60);
    assert_eq!(ran.count("matches"), 0);
    assert_eq!(ran.timed("connect"), 60);
}

#[tokio::test]
async fn pairs_of_both_dialects_chat_and_everything_arrives() {
    let server = Server::start(&[]);
    for classic in ["0", "0.5", "1"] {
        let ran = Ran::against(
            server.address(),
            &[
                "chat",
                "--connections",
                "40",
                "--duration",
                "2s",
                "--messages",
                "100..500",
                "--bytes",
                "64..900",
                "--classic",
                classic,
            ],
        );
        ran.assert_all_well();
        assert_eq!(ran.count("matches"), 40);
        assert_eq!(ran.timed("match"), 40);
        let said = ran.count("said");
        // Half of the sum of both rates, for two seconds.
        assert!((500..=700).contains(&said), "{said}");
        assert_eq!(ran.count("heard"), said);
        assert_eq!(ran.timed("relay"), said);
    }
}

#[tokio::test]
async fn several_processes_and_addresses_share_a_run() {
    let server = Server::start(&[]);
    let ran = Ran::against(
        server.address(),
        &[
            "chat",
            "--connections",
            "40",
            "--duration",
            "1s",
            "--messages",
            "200",
            "--processes",
            "3",
            "--sources",
            "127.0.0.2-4",
        ],
    );
    ran.assert_all_well();
    assert_eq!(ran.count("matches"), 40);
    assert_eq!(ran.count("heard"), ran.count("said"));
    let cores = ran.json["swarm"]["cores"]
        .as_array()
        .expect("of each process");
    assert_eq!(cores.len(), 3);
}

#[tokio::test]
async fn a_crowd_comes_meets_and_goes() {
    let server = Server::start(&[]);
    let ran = Ran::against(
        server.address(),
        &[
            "crowd",
            "--arrivals",
            "100..500",
            "--duration",
            "4s",
            "--talk",
            "500ms",
            "--say-every",
            "100ms",
            "--patience",
            "2s",
            "--classic",
            "0.3",
            "--seed",
            "5",
        ],
    );
    ran.assert_all_well();
    let arrivals = ran.count("arrivals");
    assert!((1000..1400).contains(&arrivals), "{arrivals}");
    for what in ["matches", "heard", "gave_up"] {
        assert!(ran.count(what) > 0, "{what}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn a_stadium_joins_at_once_and_meets_across_processes() {
    let server = Server::start(&[]);
    let ran = Ran::against(
        server.address(),
        &[
            "stadium",
            "--connections",
            "60",
            "--duration",
            "3s",
            "--talk",
            "500ms",
            "--say-every",
            "100ms",
            "--next",
            "1",
            "--classic",
            "0.3",
            "--processes",
            "2",
        ],
    );
    ran.assert_all_well();
    assert!(ran.count("matches") > 60, "{}", ran.stdout);
    assert!(ran.count("apart") > 0 && ran.timed("match") > 0);
}

#[tokio::test]
async fn a_storm_cuts_everybody_and_all_come_back() {
    let server = Server::start(&[]);
    let ran = Ran::against(
        server.address(),
        &[
            "storm",
            "--connections",
            "40",
            "--duration",
            "3s",
            "--drop-every",
            "1s",
            "--return-within",
            "300ms",
            "--messages",
            "200",
            "--classic",
            "0.2",
            "--drop-share",
            "0.7",
        ],
    );
    ran.assert_all_well();
    assert!(ran.count("cut") > 20, "{}", ran.stdout);
    assert!(ran.count("resumed") > 10 && ran.timed("resume") == ran.count("resumed"));
}

#[tokio::test]
async fn who_does_not_read_slows_nobody_and_fails_nothing() {
    let server = Server::start(&[("limits.outbox_bytes", "16384")]);
    let ran = Ran::against(
        server.address(),
        &[
            "slow",
            "--connections",
            "20",
            "--duration",
            "3s",
            "--flood",
            "500",
            "--bytes",
            "1000",
            "--messages",
            "50",
        ],
    );
    ran.assert_all_well();
    assert!(ran.count("said") > 1000, "{}", ran.stdout);
    let heard = ran.count("heard");
    assert!((100..=200).contains(&heard), "only those who read: {heard}");
}

/// A token for anybody, signed with a secret (HS256).
fn token(secret: &str) -> String {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let now_s = UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs();
    let claims = json!({"sub": "ann", "iss": "test", "aud": "test", "exp": now_s + 600});
    let head = json!({"alg": "HS256", "typ": "JWT"});
    let signed = [head, claims].map(|part| base64(part.to_string().as_bytes()));
    let signed = signed.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = base64(hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn people_show_tokens_to_a_server_that_asks_for_them_and_tell_nobody_else() {
    let folder = tempfile::tempdir().expect("folders can be made");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("files can be written");
        path.to_str().expect("a plain name").to_owned()
    };
    let secret = "a secret of more than thirty-two bytes";
    let key = file("key", secret);
    let server = Server::start(&[
        ("auth.algorithm", "HS256"),
        ("auth.key", &key),
        ("auth.issuer", "test"),
        ("auth.audience", "test"),
    ]);
    let args = ["chat", "--connections", "10", "--duration", "1s"];
    let both = [&args[..], &["--classic", "0.5", "--token-file"]].concat();
    let token = token(secret);
    let tokens = file("tokens", &format!("{token}\n"));
    let ran = Ran::against(server.address(), &[&both[..], &[&tokens]].concat());
    ran.assert_all_well();
    assert_eq!(ran.count("matches"), 10);
    assert!(!ran.json.to_string().contains(&token));
    let without = Ran::against(server.address(), &[&args[..], &["--classic", "1"]].concat());
    assert_eq!(without.code, Some(1), "{}", without.stdout);
    assert!(without.stderr.contains("401"), "{}", without.stderr);
    let nothing = file("nothing", "\n");
    let ran = Ran::against(server.address(), &[&both[..], &[&nothing]].concat());
    assert_eq!(ran.code, Some(EXIT_USAGE));
    assert!(
        ran.stderr.contains("there is no token in it"),
        "{}",
        ran.stderr
    );
}
