//! Sockets of the people of a process: each connection's task makes it, reads, and hands over what comes.

use super::{Engine, State};
use crate::swarm::frame::{self, Frame};
use crate::swarm::link::{self, Link, Way};
use crate::swarm::people::Role;
use crate::swarm::person::{Loss, Person, Scene, Step};
use crate::swarm::violation::Violation;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::spawn_local;

impl Engine {
    /// Makes a connection for somebody.
    pub(super) fn call(&self, place: u32, state: &mut State) {
        state.generations += 1;
        let generation = state.generations;
        let scene = &state.scene;
        let sources = &scene.plan.sources;
        let number = scene.share.number_of(place);
        let Some(Some(person)) = state.people.get(place as usize) else {
            return;
        };
        let dialect = person.dialect();
        let source = sources.get(number as usize % sources.len().max(1)).copied();
        let is_narrow = scene.people.role(number) == Role::Idler;
        let target = scene.plan.server.clone();
        let engine = self.clone();
        let task = spawn_local(async move {
            let way = Way {
                dialect,
                source,
                is_narrow,
                token: engine.0.tokens.of(number),
            };
            match link::open(&target, way).await {
                Ok(opened) => {
                    let (reader, writer) = opened.stream.into_split();
                    if engine.connected(place, generation, writer) {
                        engine.read(place, generation, reader, opened.early).await;
                    }
                }
                Err(error) => engine.lost(place, generation, error.kind()),
            }
        });
        state.links[place as usize] = Some(Link::new(generation, task.abort_handle()));
    }

    fn connected(&self, place: u32, generation: u32, writer: OwnedWriteHalf) -> bool {
        {
            let mut state = self.0.state.borrow_mut();
            let Some(link) = state.link(place, generation) else {
                return false;
            };
            link.opened(writer);
        }
        self.with(place, Person::connected);
        true
    }

    fn lost(&self, place: u32, generation: u32, kind: String) {
        if self.0.state.borrow_mut().link(place, generation).is_some() {
            let loss = Loss { kind, code: None };
            self.with(place, |person, scene| person.lost(&loss, scene));
        }
    }

    /// Reads until the connection ends or nobody wants it any more.
    async fn read(self, place: u32, generation: u32, mut reader: OwnedReadHalf, early: Vec<u8>) {
        let mut partial = Vec::new();
        if !early.is_empty() {
            self.arrived(place, &mut partial, &early);
        }
        loop {
            let is_paused = match self.0.state.borrow_mut().link(place, generation) {
                Some(link) => link.is_paused,
                None => return,
            };
            if is_paused {
                // Until the connection is let go of.
                return std::future::pending().await;
            }
            let read = poll_fn(|cx| self.poll_read(cx, place, &mut reader, &mut partial)).await;
            match read {
                Ok(0) => return self.lost(place, generation, "lost.ended".to_owned()),
                Ok(_) => {}
                Err(error) => {
                    let kind = format!("lost.{}", link::io_kind(&error));
                    return self.lost(place, generation, kind);
                }
            }
        }
    }

    /// One read into the buffer of all, and what comes of it.
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        place: u32,
        reader: &mut OwnedReadHalf,
        partial: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = self.0.read_buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        ready!(Pin::new(reader).poll_read(cx, &mut buffer))?;
        let arrived = buffer.filled();
        if !arrived.is_empty() {
            self.arrived(place, partial, arrived);
        }
        Poll::Ready(Ok(arrived.len()))
    }

    /// Hears all frames that are there. `partial` is the beginning of one that is not.
    fn arrived(&self, place: u32, partial: &mut Vec<u8>, bytes: &[u8]) {
        let mut whole = std::mem::take(partial);
        let mut rest = if whole.is_empty() {
            bytes
        } else {
            whole.extend_from_slice(bytes);
            &whole
        };
        self.with(place, |person, scene| {
            let mut last = Step::Stay;
            loop {
                let step = match Frame::split(rest) {
                    Ok(None) => break,
                    Ok(Some((frame, after))) => {
                        rest = after;
                        hear(person, &frame, scene)
                    }
                    Err(error) => {
                        rest = &[];
                        scene.tally.violation(&Violation::Gibberish {
                            who: person.number(),
                            reason: error.to_string(),
                        });
                        person.close(scene)
                    }
                };
                if step != Step::Stay {
                    last = step;
                }
            }
            last
        });
        if !rest.is_empty() {
            *partial = rest.to_vec();
        }
    }

    /// Sends what the system did not take at once.
    pub(super) async fn flush(self, place: u32, generation: u32, writer: Rc<OwnedWriteHalf>) {
        while writer.writable().await.is_ok() {
            let mut state = self.0.state.borrow_mut();
            let is_more = state.link(place, generation).is_some_and(Link::flush);
            if !is_more {
                return;
            }
        }
    }
}

fn hear(person: &mut Person, frame: &Frame<'_>, scene: &mut Scene) -> Step {
    match frame.opcode {
        frame::TEXT => {
            let Ok(text) = str::from_utf8(frame.payload) else {
                scene.tally.violation(&Violation::Gibberish {
                    who: person.number(),
                    reason: "text that is not UTF-8".to_owned(),
                });
                return Step::Stay;
            };
            person.hear(text, scene)
        }
        frame::PING => {
            frame::write(frame::PONG, frame.payload, &mut scene.out);
            Step::Stay
        }
        frame::CLOSE => {
            let code = frame.close_code();
            let loss = Loss {
                kind: format!("close.{code}"),
                code: Some(code),
            };
            person.lost(&loss, scene)
        }
        _ => Step::Stay,
    }
}
