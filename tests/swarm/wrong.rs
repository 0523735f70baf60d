//! A server of v1 that does just enough to be measured, and makes one mistake.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    /// Every fifth message comes twice.
    Duplicate,
    /// Every fifth message never comes, and the numbers go on without it.
    Lose,
    /// Every fifth message goes to somebody else.
    Misdirect,
    /// Who comes third is matched with who came first.
    OutOfRange,
}

/// A mistake is made with every message whose number in its chat is a multiple of this.
const WRONG_EVERY: u64 = 5;

/// A running server, ended when dropped.
pub(crate) struct Wrong {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Somebody who is connected.
struct Guest {
    say: UnboundedSender<Value>,
    name: Value,
    at: Value,
    partner: Option<usize>,
    /// How many messages they were sent.
    seq: u64,
}

#[derive(Default)]
struct Room {
    guests: Vec<Guest>,
}

impl Wrong {
    pub(crate) async fn start(mistake: Mistake) -> Self {
        let room = Arc::new(Mutex::new(Room::default()));
        Self::serve(move |stream| converse(stream, Arc::clone(&room), mistake)).await
    }

    /// A server that answers every request with this.
    pub(crate) async fn silent(answer: &'static str) -> Self {
        Self::serve(move |mut stream| async move {
            // Whoever has gone needs no answer.
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await
    }

    async fn serve<F>(converse: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("some port is free");
        let address = listener.local_addr().expect("it listens");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream));
            }
        });
        Self { address, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(stream: TcpStream, room: Arc<Mutex<Room>>, mistake: Mistake) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let (say, mut said) = unbounded_channel();
    let welcome = json!({"type": "welcome", "protocol": 1, "resume_token": "t", "limits": {
        "min_range_km": 2.0, "max_range_km": 20_000.0, "position_grid_km": 1.0, "max_text_chars": 2000}});
    let _ = say.send(welcome);
    let mut me = None;
    loop {
        tokio::select! {
            message = said.recv() => {
                let Some(message) = message else { return };
                if socket.send(Message::text(message.to_string())).await.is_err() {
                    return;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let heard = serde_json::from_str(&text).expect("clients speak JSON");
                    room.lock().expect("nobody panics").hear(&mut me, &heard, &say, mistake);
                }
                Some(Ok(_)) => {}
                _ => return,
            }
        }
    }
}

impl Room {
    fn hear(
        &mut self,
        me: &mut Option<usize>,
        heard: &Value,
        say: &UnboundedSender<Value>,
        mistake: Mistake,
    ) {
        match (heard["type"].as_str(), *me) {
            (Some("join"), _) => {
                *me = Some(self.join(heard, say, mistake));
            }
            (Some("say"), Some(me)) => self.relay(me, heard, mistake),
            _ => {}
        }
    }

    fn join(&mut self, join: &Value, say: &UnboundedSender<Value>, mistake: Mistake) -> usize {
        let me = self.guests.len();
        self.guests.push(Guest {
            say: say.clone(),
            name: join["name"].clone(),
            at: join["position"].clone(),
            partner: None,
            seq: 0,
        });
        self.tell(me, &json!({"type": "waiting"}));
        let partner = (0..me).find(|other| {
            let other = &self.guests[*other];
            let is_near = other.at == self.guests[me].at;
            other.partner.is_none() && is_near == (mistake != Mistake::OutOfRange)
        });
        if let Some(partner) = partner {
            for (one, other) in [(me, partner), (partner, me)] {
                self.guests[one].partner = Some(other);
                let name = self.guests[other].name.clone();
                self.tell(
                    one,
                    &json!({"type": "matched", "chat": format!("chat {me}"), "distance": "near",
                        "partner": {"name": name, "shared_interests": []}}),
                );
            }
        }
        me
    }

    fn relay(&mut self, me: usize, say: &Value, mistake: Mistake) {
        let partner = self.guests[me].partner.expect("clients talk in chats");
        let number: u64 = say["id"]
            .as_str()
            .expect("they have ids")
            .parse()
            .expect("a number");
        self.tell(
            me,
            &json!({"type": "accepted", "id": say["id"], "seq": number}),
        );
        let is_wrong = number.is_multiple_of(WRONG_EVERY);
        let (to, times) = match mistake {
            Mistake::Duplicate if is_wrong => (partner, 2),
            Mistake::Lose if is_wrong => (partner, 0),
            Mistake::Misdirect if is_wrong => (
                (0..4).find(|o| ![me, partner].contains(o)).expect("four"),
                1,
            ),
            _ => (partner, 1),
        };
        for _ in 0..times {
            let seq = self.guests[to].seq + 1;
            self.guests[to].seq = seq;
            self.tell(
                to,
                &json!({"type": "said", "seq": seq, "text": say["text"], "at": 1}),
            );
        }
    }

    fn tell(&self, who: usize, what: &Value) {
        // Whoever has gone needs to hear nothing.
        let _ = self.guests[who].say.send(what.clone());
    }
}
