//! What the person sees. Everything from the network is made harmless here, and nowhere else.

use super::session::Line;
use rustyline::ExternalPrinter;
use std::io::{self, IsTerminal as _, Write as _};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Longer lines are cut: no server that keeps to the contract sends any.
const LINE_MAX_CHARS: usize = 8192;

/// What begins the second and every further line of a text: nobody can make one look like a new message.
const CONTINUATION: &str = "\n    ";

/// Narrower terminals break lines themselves: there would be hardly a word in each.
const COLUMNS_MIN: usize = 20;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Up one row, and that row emptied.
const ERASE_ROW_ABOVE: &str = "\x1b[A\x1b[2K";
/// The printer ends every text with a new line: going up before prints nothing.
const NO_ROW: &str = "\x1b[A\n";

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
        if is_erasure {
            text.push_str(NO_ROW);
        } else {
            text.push_str(&rendered(line, self.has_colours, self.columns()));
            text.push('\n');
        }
        self.is_last_faint = is_faint;
        self.print(text)
    }

    /// Waits until everything has been printed.
    pub(super) fn finish(&mut self) {
        if self.printer.is_some() {
            // The printer holds one text that is not printed yet: the second waits for the first to be taken,
            // and that for all before it. A terminal that is gone shows nothing anyway.
            let _ = self
                .print(NO_ROW.to_owned())
                .and_then(|()| self.print(NO_ROW.to_owned()));
        }
    }

    /// The person has entered a line, which now stands where the last row was.
    pub(super) fn line_was_entered(&mut self) {
        self.is_last_faint = false;
    }

    /// At how many columns lines are broken; none where that isn't a terminal's affair.
    fn columns(&self) -> Option<usize> {
        self.printer.as_ref()?;
        let (columns, _) = terminal_size::terminal_size()?;
        Some(usize::from(columns.0)).filter(|columns| *columns >= COLUMNS_MIN)
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

fn rendered(line: &Line, has_colours: bool, columns: Option<usize>) -> String {
    let coloured = |colour: &str, text: &str| {
        if has_colours {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    };
    let broken = |text: String| match columns {
        Some(columns) => broken_at_words(&text, columns),
        None => text,
    };
    match line {
        Line::Notice(text) => coloured(CYAN, &broken(format!("* {}", harmless(text)))),
        Line::Problem(text) => coloured(YELLOW, &broken(format!("! {}", harmless(text)))),
        Line::Faint(text) => {
            let text = format!("  {}", harmless(text));
            coloured(DIM, one_row(&text, columns))
        }
        Line::Said { from, text } => {
            let from = format!("<{}>", harmless(from));
            let whole = broken(format!("{from} {}", harmless(text)));
            match whole.strip_prefix(&from) {
                Some(text) => format!("{}{text}", coloured(BOLD, &from)),
                // The name itself is broken.
                None => whole,
            }
        }
        Line::NothingFaint => String::new(),
    }
}

/// The text with lines of at most so many columns, broken at spaces. A longer word is left to the terminal.
fn broken_at_words(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let indent = CONTINUATION.len() - 1;
    for (at, line) in text.split('\n').enumerate() {
        let mut used = 0;
        if at > 0 {
            out.push('\n');
        }
        for (at, word) in line.split(' ').enumerate() {
            let width = word.width();
            if at > 0 && used + 1 + width > columns && used > indent {
                out.push_str(CONTINUATION);
                used = indent;
            } else if at > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += width;
        }
    }
    out
}

/// As much of the text as fits into one row, which can then be erased as one.
fn one_row(text: &str, columns: Option<usize>) -> &str {
    let mut left = columns.unwrap_or(usize::MAX);
    let end = text.char_indices().find_map(|(at, character)| {
        let fits = left.checked_sub(character.width().unwrap_or(0));
        left = fits.unwrap_or(0);
        fits.is_none().then_some(at)
    });
    &text[..end.unwrap_or(text.len())]
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
        rendered(&line, false, None)
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
            rendered(&line, true, None),
            "\u{1b}[1m<\u{fffd}[31mbob>\u{1b}[0m hi"
        );
        assert!(!rendered(&line, false, None).contains('\u{1b}'));
    }

    #[test]
    fn lines_are_broken_between_words() {
        let text = "* Waiting for someone within 50 km of you…";
        let broken = "* Waiting for someone\n    within 50 km of\n    you…";
        assert_eq!(broken_at_words(text, 22), broken);
        assert_eq!(broken_at_words("* a\n    b c", 22), "* a\n    b c");
        assert_eq!(
            broken_at_words("<a> 日本語 日本語", 12),
            "<a> 日本語\n    日本語"
        );
        let endless = "x".repeat(50);
        assert_eq!(broken_at_words(&endless, 22), endless);
    }

    #[test]
    fn a_faint_line_fits_into_one_row() {
        assert_eq!(one_row("  日本語 is typing…", Some(7)), "  日本");
        assert_eq!(one_row("  ann is typing…", Some(40)), "  ann is typing…");
    }

    #[test]
    fn endless_lines_are_cut() {
        assert!(said(&"x".repeat(100_000)).len() < 2 * LINE_MAX_CHARS);
    }
}
