//! A member of the crowd, in either dialect.

use crate::common::{Classic, Server, V1, join, with};
use crate::oracle::Guest;
use serde_json::{Value, json};

/// How many messages each says to its partner.
const MESSAGES: u64 = 12;

/// One client and who it is.
pub(crate) struct Client {
    pub(crate) guest: Guest,
    name: String,
    connection: Connection,
}

enum Connection {
    V1(Box<V1>),
    Classic(Box<Classic>),
}

/// What a client is told when it is matched.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) partner: String,
    /// In words, where the dialect has them.
    pub(crate) distance: Option<String>,
}

/// The name by which a guest is known to others.
pub(crate) fn name_of(guest: &Guest) -> String {
    format!("guest {}", guest.number)
}

impl Client {
    /// Connects and joins; the server has handled it when this returns.
    pub(crate) async fn joined(server: &Server, guest: Guest, is_classic: bool) -> Self {
        let name = name_of(&guest);
        let place = (guest.lat, guest.lon);
        let connection = if is_classic {
            let range_km = guest.range_km as u32;
            Connection::Classic(Box::new(
                Classic::bound(server, &name, place, range_km).await,
            ))
        } else {
            let mut client = V1::connect(server).await;
            let join = with(join(place, guest.range_km), json!({"name": name}));
            client.ask(join, "waiting").await;
            Connection::V1(Box::new(client))
        };
        Self {
            guest,
            name,
            connection,
        }
    }

    pub(crate) fn is_classic(&self) -> bool {
        matches!(self.connection, Connection::Classic(_))
    }

    /// Whom it was matched with by now, if with anybody.
    pub(crate) async fn told(&mut self) -> Option<Told> {
        match &mut self.connection {
            Connection::V1(client) => {
                let message = client.arrived().await?;
                if message["type"] != "matched" {
                    client.fail(format!("wanted matched or nothing, got {message}"));
                }
                Some(Told {
                    partner: string(&message["partner"]["name"]),
                    distance: Some(string(&message["distance"])),
                })
            }
            Connection::Classic(client) => {
                let frame = client.arrived().await?;
                if frame["type"] != "connected" {
                    client.fail(format!("wanted connected or nothing, got {frame}"));
                }
                Some(Told {
                    partner: string(&frame["from"]["username"]),
                    distance: None,
                })
            }
        }
    }

    /// Says its messages, all at once.
    async fn talk(&mut self) {
        for number in 1..=MESSAGES {
            let text = text(&self.name, number);
            match &mut self.connection {
                Connection::V1(client) => {
                    let id = number.to_string();
                    client
                        .send(json!({"type": "say", "id": id, "text": text}))
                        .await;
                }
                Connection::Classic(client) => client.send(&text).await,
            }
        }
    }

    /// Everything it said is confirmed, and everything the partner said arrives: both in order, each once.
    async fn listen(&mut self, partner: &str) {
        let (mut own, mut partners) = (0, 0);
        while own < MESSAGES || partners < MESSAGES {
            let is_own = match &mut self.connection {
                Connection::V1(client) => {
                    let message = client.next_json().await;
                    let is_own = message["type"] == "accepted";
                    let expected = if is_own {
                        let number = own + 1;
                        json!({"type": "accepted", "id": number.to_string(), "seq": number})
                    } else {
                        let number = partners + 1;
                        let text = text(partner, number);
                        json!({"type": "said", "seq": number, "text": text, "at": message["at"]})
                    };
                    if message != expected {
                        client.fail(format!("wanted {expected}, got {message}"));
                    }
                    is_own
                }
                Connection::Classic(client) => {
                    let frame = client.next_frame("client").await;
                    let is_own = frame["from"]["username"] == self.name;
                    let expected = if is_own {
                        classic_frame(&self.name, Some(&self.guest), own + 1)
                    } else {
                        classic_frame(partner, None, partners + 1)
                    };
                    if frame != expected {
                        client.fail(format!("wanted {expected}, got {frame}"));
                    }
                    is_own
                }
            };
            *(if is_own { &mut own } else { &mut partners }) += 1;
        }
    }

    /// Leaves its chat for good.
    async fn leave(self) {
        match self.connection {
            Connection::V1(mut client) => {
                let idle = client.ask(json!({"type": "leave"}), "idle").await;
                assert_eq!(idle["reason"], "left", "{}", self.name);
                client.expect_quiet().await;
                client.close().await;
            }
            Connection::Classic(mut client) => {
                client.expect_quiet().await;
                client.close().await;
            }
        }
    }

    /// Is left by its partner on purpose, hears nothing else, and goes.
    async fn be_left(self, partner: &str) {
        match self.connection {
            Connection::V1(mut client) => {
                let left = client.expect("partner_left").await;
                assert_eq!(left["reason"], "left", "{}", self.name);
                client.expect_quiet().await;
                client.close().await;
            }
            Connection::Classic(mut client) => {
                let frame = client.expect("disconnected").await;
                assert_eq!(frame["from"]["username"], partner, "{}", self.name);
                client.expect_quiet().await;
                client.close().await;
            }
        }
    }

    /// Has waited for nobody, and goes.
    pub(crate) async fn give_up(self) {
        match self.connection {
            Connection::V1(mut client) => {
                let idle = client.ask(json!({"type": "cancel"}), "idle").await;
                assert_eq!(idle["reason"], "cancelled", "{}", self.name);
                client.expect_quiet().await;
                client.close().await;
            }
            Connection::Classic(mut client) => {
                client.expect_quiet().await;
                client.close().await;
            }
        }
    }
}

/// Two who are matched talk both ways at once; then the first leaves the second.
pub(crate) async fn chat(mut one: Client, mut other: Client) {
    one.talk().await;
    other.talk().await;
    one.listen(&other.name).await;
    other.listen(&one.name).await;
    let leaver = one.name.clone();
    one.leave().await;
    other.be_left(&leaver).await;
}

fn text(from: &str, number: u64) -> String {
    format!("message {number} of {from}")
}

/// A chat message as a classic client hears it; only the sender itself is told where it is.
fn classic_frame(from: &str, own: Option<&Guest>, number: u64) -> Value {
    let (lat, long, range) = own.map_or((0.0, 0.0, 0), |guest| {
        (guest.lat, guest.lon, guest.range_km as u64)
    });
    json!({
        "type": "client",
        "from": {"username": from, "location": {"lat": lat, "long": long}, "range": range},
        "body": text(from, number),
    })
}

fn string(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
