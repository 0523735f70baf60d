//! The binary run to its end.

use std::process::{Command, Output, Stdio};

/// The exit status for a command line or settings that can't be used.
pub(crate) const EXIT_USAGE: i32 = 2;

/// The binary without settings from the environment of whoever runs the tests.
pub(crate) fn whisperchat(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whisperchat"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WHISPERCHAT_") {
            command.env_remove(name);
        }
    }
    // Nobody writes into the home of whoever runs the tests; a flag wins over this.
    command.env("WHISPERCHAT_STORE__URL", "off");
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end: exit status, standard output, standard error.
pub(crate) fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .expect("the binary was built for this test");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (status.code(), text(stdout), text(stderr))
}
