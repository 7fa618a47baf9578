//! Runs simulated schedules for as long as one likes, and shows the first one that fails.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use jddb_core::sim::{Failure, Tally, check};

const HELP: &str = "\
Runs simulated schedules of editors, networks and disks around a document, one a seed, on all cores.
The first one that fails is made as small as it gets and shown; the exit code is 1 then.

Usage: simulate [--seeds <count>] [--from <seed>] [--seed <seed>] [--threads <count>]

  --seeds <count>    How many seeds to run [default: 1000000]
  --from <seed>      The first one [default: 0]
  --seed <seed>      This one alone
  --threads <count>  How many at once [default: one a core]
  --help             Shows this
";
/// Between two lines of progress.
const PROGRESS_SECONDS: u64 = 5;

struct Options {
    seeds: u64,
    from: u64,
    threads: usize,
}

/// The options; `None` where help is wanted.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut options = Options { seeds: 1_000_000, from: 0, threads: cores };
    while let Some(name) = arguments.next() {
        if name == "--help" {
            return Ok(None);
        }
        if !["--seeds", "--from", "--seed", "--threads"].contains(&name.as_str()) {
            return Err(format!("nobody knows {name}; see --help"));
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name} needs a number, not {value}"))?;
        match name.as_str() {
            "--seeds" => options.seeds = number,
            "--from" => options.from = number,
            "--seed" => (options.from, options.seeds) = (number, 1),
            _ => options.threads = usize::try_from(number.clamp(1, 1024)).unwrap_or(1),
        }
    }
    Ok(Some(options))
}

/// What all threads share.
struct Run {
    next: AtomicU64,
    end: u64,
    outcome: Mutex<(Tally, Option<Box<Failure>>)>,
}

impl Run {
    fn work(&self) {
        let mut unreported = Tally::default();
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                break;
            }
            match check(seed) {
                Ok(tally) => unreported.add(&tally),
                Err(failure) => {
                    // The others need not go on.
                    self.next.store(self.end, Ordering::Relaxed);
                    if let Ok(mut outcome) = self.outcome.lock() {
                        outcome.1.get_or_insert(failure);
                    }
                }
            }
        }
        if let Ok(mut outcome) = self.outcome.lock() {
            outcome.0.add(&unreported);
        }
    }

    /// Says now and then how far it has come, until all `workers` have finished.
    fn report(&self, from: u64, workers: &[ScopedJoinHandle<'_, ()>]) {
        let mut seconds = 0;
        let mut before = from;
        loop {
            for _ in 0..PROGRESS_SECONDS * 10 {
                std::thread::sleep(Duration::from_millis(100));
                if workers.iter().all(ScopedJoinHandle::is_finished) {
                    return;
                }
            }
            let at = self.next.load(Ordering::Relaxed).min(self.end);
            seconds += PROGRESS_SECONDS;
            let rate = (at - before) / PROGRESS_SECONDS;
            println!("{seconds:>6} s  {:>12} of {} seeds  {rate:>8} a second", at - from, self.end - from);
            before = at;
        }
    }
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    // A panic is shown with the schedule that leads to it, and not for each of the runs that make that smaller.
    std::panic::set_hook(Box::new(|_| {}));
    let Options { seeds, from, threads } = options;
    let run = Run { next: AtomicU64::new(from), end: from.saturating_add(seeds), outcome: Mutex::default() };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run.work())).collect();
        run.report(from, &workers);
    });
    let _ = std::panic::take_hook();
    let (tally, failure) = run.outcome.into_inner().unwrap_or_default();
    print!("{tally}");
    let Some(failure) = failure else { return ExitCode::SUCCESS };
    let seed = failure.seed();
    println!("{failure}\nrepeat it with make simulate ARGS=\"--seed {seed}\"");
    drop(std::io::stdout().flush());
    ExitCode::FAILURE
}
