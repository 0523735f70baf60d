//! What is shipped for Grafana and Prometheus asks for figures that the server tells.

mod common;

use common::{Request, Server, V1, within};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DASHBOARD: &str = include_str!("../deploy/grafana/whisperchat.json");
const ALERTS: &str = include_str!("../deploy/prometheus/alerts.yml");

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(100);

/// The queries of all panels.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("a list");
    panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("a list"))
        .map(|target| target["expr"].as_str().expect("a query").to_owned())
        .collect()
}

/// The names of figures in a text, and the labels that are asked for of each.
fn asked_for(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let starts = text.match_indices("whisperchat_").map(|(start, _)| start);
    starts
        .map(|start| {
            let rest = &text[start..];
            let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, rest) = rest.split_at(rest.find(|c| !is_in_name(c)).unwrap_or(rest.len()));
            (name.to_owned(), labels(rest))
        })
        .collect()
}

/// The labels in the braces that a text begins with, if it does.
fn labels(text: &str) -> BTreeSet<String> {
    let inside = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let pairs = inside.map_or("", |(inside, _)| inside).split(',');
    pairs
        .filter_map(|pair| pair.split_once(['=', '!']))
        .map(|(label, _)| label.to_owned())
        .collect()
}

/// A server that somebody has used, so that it has something of everything to tell, and where it tells it.
async fn used_server() -> (Server, SocketAddr) {
    let server = Server::start(&[("admin_listen", "127.0.0.1:0")]);
    let admin = server.admin_address().await;
    V1::connect(&server).await.close().await;
    within("the end to be counted", async {
        while !scrape(admin).await.contains("connections_ended_total{") {
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await;
    (server, admin)
}

async fn scrape(admin: SocketAddr) -> String {
    let (status, text) = Request::get("/metrics").ask(admin).await;
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test]
async fn every_figure_and_label_that_is_asked_for_is_told() {
    let (_server, admin) = used_server().await;
    let text = scrape(admin).await;
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for (name, labels) in asked_for(line) {
            told.entry(name).or_default().extend(labels);
        }
    }
    let asked: Vec<_> = [dashboard().join("\n").as_str(), ALERTS]
        .into_iter()
        .flat_map(asked_for)
        .collect();
    assert!(asked.len() > 20, "{asked:?}");
    for (name, labels) in asked {
        let Some(known) = told.get(&name) else {
            panic!("{name} is not told");
        };
        assert!(labels.is_subset(known), "{labels:?} of {name}");
    }
}

/// A Prometheus that watches a server by the rules that are shipped; killed when dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    async fn watching(admin: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("folders can be made");
        let config = folder.path().join("prometheus.yml");
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{rules}']\n\
             scrape_configs: [{{job_name: whisperchat, static_configs: [{{targets: ['{admin}']}}]}}]\n"
        );
        std::fs::write(&config, text).expect("files can be written");
        let free = TcpListener::bind("127.0.0.1:0").expect("some port is free");
        let address = free.local_addr().expect("it listens");
        drop(free);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is installed");
        within("Prometheus", async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await;
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    /// The answer of its API, once `is_there` of it; by HTTP/1.0, so that it comes in one piece.
    async fn answer(&self, path: &str, is_there: impl Fn(&Value) -> bool) {
        within(path, async {
            loop {
                let request = Request::get("").start_line(&format!("GET {path} HTTP/1.0"));
                let (status, body) = request.ask(self.address).await;
                let is_wrong = status == 400;
                assert!(!is_wrong, "{path}: {body}");
                if status == 200 {
                    let answer: Value = serde_json::from_str(&body).expect("it is JSON");
                    if is_there(&answer["data"]) {
                        return;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await;
    }
}

/// As a part of a URL.
fn quoted(query: &str) -> String {
    query.bytes().fold(String::new(), |mut quoted, byte| {
        let _ = write!(quoted, "%{byte:02X}");
        quoted
    })
}

#[tokio::test]
#[ignore = "needs prometheus, which .ci/run installs"]
async fn prometheus_can_answer_every_query_and_judge_every_rule() {
    let (_server, admin) = used_server().await;
    let prometheus = Prometheus::watching(admin).await;
    for query in dashboard() {
        let query = query.replace("$__rate_interval", "1m");
        let path = format!("/api/v1/query?query={}", quoted(&query));
        let has_series = |data: &Value| !data["result"].as_array().is_none_or(Vec::is_empty);
        prometheus.answer(&path, has_series).await;
    }
    let rules = ALERTS.matches("- alert: ").count();
    prometheus
        .answer("/api/v1/rules", |data| {
            let judged = data["groups"][0]["rules"].as_array();
            let judged = judged.into_iter().flatten();
            judged.filter(|rule| rule["health"] == "ok").count() == rules
        })
        .await;
}
