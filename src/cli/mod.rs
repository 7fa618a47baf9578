//! The command line: what the operator types, and the exit codes scripts rely on.

mod check_config;
mod conformance_echo;
mod files;
mod glossary;
mod memory;
mod token;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::config::{ConfigErrors, Loaded, Sources, load};
use crate::logging;

const EXAMPLES: &str = "\
Examples:
  jddb-realtime            (serves on 127.0.0.1:8000, documents in ./data)
  jddb-realtime serve --listen 127.0.0.1:9000 --data /var/lib/jddb
  jddb-realtime token --sub alice --scope \"document:read document:write\"
  jddb-realtime memory import translations.tmx
  jddb-realtime glossary import terms.csv
  jddb-realtime check-config --config jddb-realtime.toml

Settings:
  A TOML file (--config FILE or JDDB_CONFIG), stronger than it environment
  variables, stronger than they flags.
  A setting's variable is its name in capitals with __ for the dot:
    listen              JDDB_LISTEN=127.0.0.1:8000
    data                JDDB_DATA=./data
    auth.key            JDDB_AUTH__KEY=base64:…   (default: DIR/signing.key)
    limits.connections  JDDB_LIMITS__CONNECTIONS=10000
  `check-config` lists all settings; tuning/jddb-realtime.toml explains each.

Exit codes:
  0  all went well
  1  something failed while running
  2  the command line or the configuration is wrong";

#[derive(Debug, Parser)]
#[command(name = "jddb-realtime", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
/// Real-time collaborative editing server for bilingual job descriptions.
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what happens without a command).
    Serve(ServeArgs),
    /// Print a token signed with the server's key.
    Token(token::TokenArgs),
    /// Import translations from files, and export them, while no server runs.
    Memory(memory::MemoryArgs),
    /// Import terms of the glossary from files, and export them, while no server runs.
    Glossary(glossary::GlossaryArgs),
    /// Check the settings, and print those in force and where each comes from.
    CheckConfig(ConfigArgs),
    /// Send every WebSocket message back as it came: the server under a conformance suite (see ARCHITECTURE.md).
    #[command(hide = true)]
    ConformanceEcho(conformance_echo::EchoArgs),
    /// Print the version.
    Version,
}

#[derive(Args, Debug)]
struct ServeArgs {
    /// Address and port to listen on; anything but loopback needs a key in [auth] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Directory of the database and the signing key, created if missing [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Number of cores to use [default: all that the machine or its cgroup grants]
    #[arg(long, value_name = "N")]
    cores: Option<String>,
    /// When a connection gets the document and others' changes [default: on-connect]
    #[arg(long, value_name = "WHEN", value_parser = PossibleValuesParser::new(["on-connect", "on-join"]))]
    greeting: Option<String>,
    /// Whether others see a change only once it is on disk (strict) or before (fast) [default: strict]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["strict", "fast"]))]
    durability: Option<String>,
}

#[derive(Args, Debug)]
struct ConfigArgs {
    /// Configuration file, TOML [default: the file named by JDDB_CONFIG, else none]
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Why a command did not succeed; decides the exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The command line or the configuration is wrong.
    #[error("{0}")]
    Usage(String),
    /// Something failed while running.
    #[error("{0}")]
    Runtime(String),
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}

impl Failure {
    fn runtime(error: impl std::fmt::Display) -> Self {
        Self::Runtime(error.to_string())
    }
}

/// Runs the command that `arguments` (the program's name first) ask for. Results go to stdout, all else to stderr.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command_line = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version come this way too. If even stderr is closed there is nobody left to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let code = match dispatch(command_line) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (2, message),
        Err(Failure::Runtime(message)) => (1, message),
    };
    for line in code.1.lines() {
        let _ = writeln!(std::io::stderr(), "error: {line}");
    }
    ExitCode::from(code.0)
}

fn dispatch(command_line: CommandLine) -> Result<(), Failure> {
    match command_line.command.unwrap_or(Command::Serve(command_line.serve)) {
        Command::Serve(args) => serve(args),
        Command::Token(args) => args.run(),
        Command::Memory(args) => args.run(),
        Command::Glossary(args) => args.run(),
        Command::CheckConfig(args) => check_config::run(&args.load(Vec::new())?),
        Command::ConformanceEcho(args) => args.run(),
        Command::Version => print(concat!("jddb-realtime ", env!("CARGO_PKG_VERSION"))),
    }
}

fn serve(args: ServeArgs) -> Result<(), Failure> {
    let sources = args.sources();
    let config = load(&sources)?.config;
    let log = logging::init(&config.log).map_err(Failure::runtime)?;
    crate::server::run(config, sources, log).map_err(Failure::runtime)
}

/// Prints a result. A reader that has gone away is an error, not a panic.
fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::Runtime(format!("cannot write to stdout: {error}")))
}

impl ServeArgs {
    /// The flags given, each with the setting of its name.
    fn flags(&self) -> Vec<(&'static str, String)> {
        let flags = [
            ("listen", &self.listen),
            ("data", &self.data),
            ("cores", &self.cores),
            ("greeting", &self.greeting),
            ("durability", &self.durability),
        ];
        flags.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))).collect()
    }

    fn sources(self) -> Sources {
        let flags = self.flags();
        self.config.sources(flags)
    }
}

impl ConfigArgs {
    fn sources(self, flags: Vec<(&'static str, String)>) -> Sources {
        let file = self.file.or_else(|| std::env::var_os("JDDB_CONFIG").map(PathBuf::from));
        Sources { file, environment: std::env::vars_os().collect(), flags }
    }

    fn load(self, flags: Vec<(&'static str, String)>) -> Result<Loaded, Failure> {
        Ok(load(&self.sources(flags))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flag: &str, text: &str) {
        for command in [None, Some("serve")] {
            let arguments = ["jddb-realtime"].into_iter().chain(command).chain([flag, text]);
            let parsed = CommandLine::try_parse_from(arguments).unwrap();
            let args = match parsed.command {
                None => parsed.serve,
                Some(Command::Serve(args)) => args,
                Some(other) => panic!("{other:?}"),
            };
            let key = flag.trim_start_matches('-');
            assert_eq!(args.flags(), [(key, text.to_owned())]);
        }
    }

    #[test]
    fn every_flag_reaches_its_setting_with_and_without_the_command() {
        check("--listen", "127.0.0.1:9000");
        check("--data", "d");
        check("--cores", "2");
        check("--greeting", "on-join");
        check("--durability", "fast");
    }
}
