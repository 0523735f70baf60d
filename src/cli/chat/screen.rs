//! What the person sees. Everything from the network is made harmless here, and nowhere else.

use super::session::Line;
use rustyline::ExternalPrinter;
use std::io::{self, IsTerminal as _, Write as _};

/// Longer lines are cut: no server that keeps to the contract sends any.
const LINE_MAX_CHARS: usize = 8192;

/// What begins the second and every further line of a text: nobody can make one look like a new message.
const CONTINUATION: &str = "\n    ";

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Up one row, and that row emptied.
const ERASE_ROW_ABOVE: &str = "\x1b[A\x1b[2K";

/// Prints above the line that is being typed.
pub(super) type Printer = Box<dyn ExternalPrinter + Send>;

/// Where lines are printed.
pub(super) struct Screen {
    printer: Option<Printer>,
    has_colours: bool,
    /// The last row above the prompt is one that the next line may take the place of.
    is_last_faint: bool,
}

impl Screen {
    /// A screen that prints around the line being typed if there is a `printer`, else one line after the
    /// other.
    pub(super) fn new(printer: Option<Printer>) -> Self {
        // https://no-color.org: any value but the empty one.
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let is_able = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self {
            printer,
            has_colours: is_wanted && is_able && io::stdout().is_terminal(),
            is_last_faint: false,
        }
    }

    /// Prints a line. A faint one is shown only where the next can take its place.
    pub(super) fn show(&mut self, line: &Line) -> io::Result<()> {
        let is_faint = matches!(line, Line::Faint(_));
        let is_erasure = matches!(line, Line::NothingFaint);
        if (is_faint && self.printer.is_none()) || (is_erasure && !self.is_last_faint) {
            return Ok(());
        }
        let mut text = String::new();
        if self.is_last_faint {
            text.push_str(ERASE_ROW_ABOVE);
        }
        // The printer ends every text with a new line: to print none, one row more is gone up.
        text.push_str(&if is_erasure {
            "\x1b[A".to_owned()
        } else {
            rendered(line, self.has_colours)
        });
        text.push('\n');
        self.is_last_faint = is_faint;
        self.print(text)
    }

    /// The person has entered a line, which now stands where the last row was.
    pub(super) fn line_was_entered(&mut self) {
        self.is_last_faint = false;
    }

    fn print(&mut self, text: String) -> io::Result<()> {
        if let Some(printer) = &mut self.printer {
            return printer.print(text).map_err(io::Error::other);
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn rendered(line: &Line, has_colours: bool) -> String {
    let coloured = |colour: &str, text: String| {
        if has_colours {
            format!("{colour}{text}{PLAIN}")
        } else {
            text
        }
    };
    match line {
        Line::Notice(text) => coloured(CYAN, format!("* {}", harmless(text))),
        Line::Problem(text) => coloured(YELLOW, format!("! {}", harmless(text))),
        Line::Faint(text) => coloured(DIM, format!("  {}", harmless(text))),
        Line::Said { from, text } => {
            let from = coloured(BOLD, format!("<{}>", harmless(from)));
            format!("{from} {}", harmless(text))
        }
        Line::NothingFaint => String::new(),
    }
}

/// A text that can't move the cursor, colour anything, turn the direction of what stands around it or
/// pass for more than one line.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = text.trim_end_matches(['\n', '\r']);
    for character in text.replace("\r\n", "\n").chars().take(LINE_MAX_CHARS) {
        match character {
            '\t' => out.push(' '),
            '\n' | '\u{2028}' | '\u{2029}' => out.push_str(CONTINUATION),
            _ if is_harmful(character) => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(character),
        }
    }
    out
}

/// Control characters (C0, DEL, C1), what opens or closes a bidirectional embedding, override or isolate,
/// and the two separators that some terminals break the line at.
pub(super) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let line = Line::Said {
            from: "bob".to_owned(),
            text: text.to_owned(),
        };
        rendered(&line, false)
    }

    #[test]
    fn texts_from_outside_are_made_harmless() {
        for (text, shown) in [
            ("hello\u{1b}[2J", "<bob> hello\u{fffd}[2J"),
            ("\u{9b}31mred", "<bob> \u{fffd}31mred"),
            ("a\u{202e}b\u{2066}c", "<bob> a\u{fffd}b\u{fffd}c"),
            (
                "a\u{7}\u{8}\u{7f}b\rc",
                "<bob> a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}c",
            ),
            ("tab\tbed", "<bob> tab bed"),
            ("héllo 👋🏽 שלום", "<bob> héllo 👋🏽 שלום"),
        ] {
            assert_eq!(said(text), shown);
        }
    }

    #[test]
    fn a_second_line_can_not_pass_for_a_new_message() {
        assert_eq!(
            said("a\n* bob left the chat.\r\nc\n"),
            "<bob> a\n    * bob left the chat.\n    c"
        );
        assert_eq!(said("a\u{2028}<ann> b"), "<bob> a\n    <ann> b");
    }

    #[test]
    fn colours_come_only_from_here() {
        let line = Line::Said {
            from: "\u{1b}[31mbob".to_owned(),
            text: "hi".to_owned(),
        };
        assert_eq!(
            rendered(&line, true),
            "\u{1b}[1m<\u{fffd}[31mbob>\u{1b}[0m hi"
        );
        assert!(!rendered(&line, false).contains('\u{1b}'));
    }

    #[test]
    fn endless_lines_are_cut() {
        assert!(said(&"x".repeat(100_000)).len() < 2 * LINE_MAX_CHARS);
    }
}
