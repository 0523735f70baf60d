//! What goes over the links of a world, and where it ends.

use super::{Happening, World, short};
use crate::model::Ending;
use crate::network::{Direction, Link};
use crate::violation::{Checked, ensure};
use crate::wire::{Answer, Asked, Told, decode, encode};

impl World {
    /// The server receives something.
    pub(super) fn arrives(&mut self, link: usize, asked: &Asked, id: Option<&str>) -> Checked {
        let Link { is_hole, line, .. } = &mut self.links[link];
        if *is_hole || !self.model.lines[link].is_open {
            return Ok(());
        }
        self.model.asked(link, asked, id);
        let bytes = encode(asked, id);
        // Not every message comes in one piece.
        let cut = (self.now_ms as usize) % bytes.len();
        line.send(&bytes[..cut]);
        line.send(&bytes[cut..]);
        if let Asked::Close { code } = asked {
            // Something may have been told on its arrival, before it was read.
            self.model.lines[link].is_left = true;
            self.take(link)?;
            self.model.ended(link, Ending::ByClient(*code));
        }
        Ok(())
    }

    /// A client receives something.
    pub(super) fn comes(&mut self, link: usize, answer: Answer) -> Checked {
        let index = self.links[link].client;
        let (client, _) = self.clients.get_mut(&index).expect("it takes part");
        let is_pong_only = client.link != Some(link);
        if self.links[link].is_hole || is_pong_only {
            return Ok(());
        }
        let deeds = client.told(answer)?;
        for text in std::mem::take(&mut client.news) {
            self.model.shown(&text)?;
        }
        self.perform(index, deeds);
        Ok(())
    }

    /// Takes what the server has to say to whoever reads.
    pub(super) fn collect(&mut self) -> Checked {
        loop {
            let woken = self.house.woken();
            if woken.is_empty() {
                return Ok(());
            }
            for link in woken {
                self.take(link)?;
            }
        }
    }

    pub(super) fn take(&mut self, link: usize) -> Checked {
        if self.links[link].is_stalled || self.links[link].line.is_over() {
            return Ok(());
        }
        let bytes = self.links[link].line.take();
        let index = self.links[link].client;
        let (client, random) = self.clients.get_mut(&index).expect("it takes part");
        let answers = decode(client.dialect, &link.to_string(), &bytes)?;
        let at_ms = self.links[link].arrival_ms(self.now_ms, Direction::ToClient, random);
        let is_over = self.links[link].line.is_over();
        for answer in &answers {
            self.note(|| format!("line {link} <- {}", short(answer)));
            self.model.told(link, answer)?;
        }
        let closes = answers
            .iter()
            .any(|answer| matches!(answer.told, Told::Close { .. }));
        ensure!(
            is_over == closes,
            "nothing after a close",
            "line {link} ends without one"
        );
        if !answers.is_empty() {
            self.schedule(at_ms, Happening::ToClient(link, answers));
        }
        if is_over {
            self.schedule(at_ms, Happening::EndAtClient(link));
        }
        Ok(())
    }

    /// The server sees that a connection is gone.
    pub(super) fn cut(&mut self, link: usize, ending: Ending) {
        if !self.model.lines[link].is_open {
            return;
        }
        self.note(|| format!("line {link} is lost"));
        self.model.ended(link, ending);
        self.links[link].is_hole = true;
        self.links[link].line.cut();
        self.unstall(link);
    }

    pub(super) fn unstall(&mut self, link: usize) {
        if std::mem::take(&mut self.links[link].is_stalled) {
            self.model.stalled(link, false);
            self.links[link].line.ring();
        }
    }
}
