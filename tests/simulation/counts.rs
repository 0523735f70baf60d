//! How much was simulated.

use std::fmt;

/// How much was simulated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) worlds: u64,
    pub(crate) steps: u64,
    pub(crate) sessions: u64,
    pub(crate) matches: u64,
    pub(crate) messages: u64,
    pub(crate) resumes: u64,
    pub(crate) faults: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.steps += other.steps;
        self.sessions += other.sessions;
        self.matches += other.matches;
        self.messages += other.messages;
        self.resumes += other.resumes;
        self.faults += other.faults;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worlds,
            steps,
            sessions,
            matches,
            messages,
            resumes,
            faults,
        } = self;
        write!(
            f,
            "{worlds} worlds, {steps} steps, {sessions} sessions, {matches} matches, \
             {messages} messages, {resumes} resumes, {faults} faults"
        )
    }
}
