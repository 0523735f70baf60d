//! The lines that are entered: edited at a terminal, or read from a pipe or a file.

use super::screen::Printer;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};
use std::thread;
use tokio::sync::{mpsc, watch};

/// Far above any limit on messages; the rest of a longer line is dropped.
const LINE_MAX_BYTES: u64 = 64 * 1024;
/// How many lines may wait between the reading thread and the loop. More than one, so that the thread
/// can go back to printing while the loop waits for it to print.
const LINES_MAX: usize = 16;
const HISTORY_MAX: usize = 100;
const PROMPT: &str = "> ";

/// Where lines come from.
pub(super) struct Input {
    /// Ends with the input.
    pub(super) lines: mpsc::Receiver<String>,
    /// Changes with every key at a terminal: whether a message is being typed.
    pub(super) typing: Option<watch::Receiver<bool>>,
    /// Prints above the line being typed at a terminal.
    pub(super) printer: Option<Printer>,
    /// Whether no person types the lines.
    pub(super) is_script: bool,
    /// Dropped last, when nothing is printed any more.
    pub(super) terminal: Option<TerminalMode>,
}

impl Input {
    /// Begins to read standard input.
    pub(super) fn start() -> anyhow::Result<Self> {
        let is_script = !io::stdin().is_terminal();
        if !is_script
            && io::stdout().is_terminal()
            && let Some(input) = Self::edited()?
        {
            return Ok(input);
        }
        let (sender, lines) = mpsc::channel(LINES_MAX);
        thread::Builder::new().spawn(move || read_plain(&sender))?;
        Ok(Self {
            lines,
            typing: None,
            printer: None,
            is_script,
            terminal: None,
        })
    }

    /// None if this terminal can't do it.
    fn edited() -> anyhow::Result<Option<Self>> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .auto_add_history(true)
            .build();
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::<Keys, _>::with_history(config, history)?;
        let (typing_sender, typing) = watch::channel(false);
        editor.set_helper(Some(Keys(typing_sender)));
        let Ok(printer) = editor.create_external_printer() else {
            return Ok(None);
        };
        let terminal = TerminalMode::save()?;
        let (sender, lines) = mpsc::channel(LINES_MAX);
        thread::Builder::new().spawn(move || {
            // Ctrl-C, Ctrl-D and a terminal that is gone all end the input.
            while let Ok(line) = editor.readline(PROMPT) {
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        })?;
        Ok(Some(Self {
            lines,
            typing: Some(typing),
            printer: Some(Box::new(printer)),
            is_script: false,
            terminal: Some(terminal),
        }))
    }
}

/// How the terminal was set before; set again when dropped. The thread that edits lines would do so
/// itself, but can't be asked to stop while it waits for a key.
pub(super) struct TerminalMode(Termios);

impl TerminalMode {
    fn save() -> io::Result<Self> {
        Ok(Self(tcgetattr(io::stdin())?))
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        // Nothing could be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
        let mut out = io::stdout().lock();
        // Over a prompt that nobody reads any more.
        let _ = out.write_all(b"\r\x1b[J").and_then(|()| out.flush());
    }
}

/// Tells of each key whether a message is being typed.
struct Keys(watch::Sender<bool>);

impl Hinter for Keys {
    type Hint = String;

    /// Asked for after each key; there is nothing to hint at.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        let is_command = line.starts_with('/') && !line.starts_with("//");
        self.0.send_replace(!is_command && !line.trim().is_empty());
        None
    }
}

impl Completer for Keys {
    type Candidate = String;
}

impl Highlighter for Keys {}
impl Validator for Keys {}
impl Helper for Keys {}

fn read_plain(lines: &mpsc::Sender<String>) {
    let mut input = io::stdin().lock();
    // A pipe that can't be read any more has ended, too.
    while let Ok(Some(line)) = read_line(&mut input) {
        if lines.blocking_send(line).is_err() {
            break;
        }
    }
}

/// The next line without its end, cut at [`LINE_MAX_BYTES`]; none at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.take(LINE_MAX_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") && line.len() as u64 == LINE_MAX_BYTES {
        input.skip_until(b'\n')?;
    }
    let line = String::from_utf8_lossy(&line);
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_people_end_them() {
        let mut input = "one\r\ntwo\n\nlast".as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "two", "", "last"]);
    }

    #[test]
    fn endless_lines_are_cut_and_no_second_line_made_of_the_rest() {
        let text = format!("{}\nnext\n", "x".repeat(100_000));
        let mut input = text.as_bytes();
        let first = read_line(&mut input).unwrap().unwrap();
        assert_eq!(first.len() as u64, LINE_MAX_BYTES);
        assert_eq!(read_line(&mut input).unwrap().unwrap(), "next");
    }
}
