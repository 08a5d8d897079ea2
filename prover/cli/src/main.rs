//! The `tribute` command.

fn main() -> std::process::ExitCode {
    tribute::main()
}
