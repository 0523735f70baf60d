//! Arguments in, exit status out.

use std::process::ExitCode;

/// Connections come and go by the thousand, and each message is a small allocation or two.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    whisperchat::cli::run()
}
