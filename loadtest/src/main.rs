//! Load generator for the real-time server: clients at scale in one process, honest latencies, cost a delivery.
//!
//! It is an outsider: it shares no code with the server and believes nothing it is not sent. In reading order: [`cli`]
//! and [`target`] say what is tested; [`edit`], [`idle`], [`slow`], [`stopped`], [`smoke`], [`disk`], [`hostile`],
//! [`mutants`], [`reload`], [`requests`] (`http`) and [`translate`] are the scenarios; [`connect`], [`tls`], [`socket`] and [`scan`] are the client, [`replica`]
//! and [`follower`] its copy of a text, [`raw`] a bad one, [`bystander`] who suffers from it;
//! [`stage`] is where they play, [`monitor`] and [`resident`] what the server says and takes meanwhile; [`schedule`], [`stamp`] and [`histogram`] measure; [`report`] tells.

mod authority;
mod bystander;
mod cli;
mod clock;
mod connect;
mod disk;
mod edit;
mod errors;
mod failure;
#[cfg(test)]
mod fake;
mod follower;
mod histogram;
mod hostile;
mod http;
mod idle;
mod inflate;
mod monitor;
mod mutants;
mod procfs;
mod raw;
mod reload;
mod replica;
mod report;
mod requests;
mod resident;
mod scan;
mod schedule;
mod server;
mod slow;
mod smoke;
mod socket;
mod stage;
mod stamp;
mod stopped;
mod target;
mod tls;
mod token;
mod translate;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(&cli::Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("jddb-loadtest: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
