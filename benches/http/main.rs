//! Our SCIM server beside others, over HTTP: one server after the other, each alone, filled and asked the same. See `benches/README.md`.
//!
//! ```text
//! benches/http/run                                    builds ours, prepares the peers, and calls this; everything behind it comes here
//! benches/http/run --quick                            to see that it runs
//! benches/http/run --only provisor,scimmy --rounds 5 --users 10000 --time 3
//! benches/http/run --also other,rust,/scim/v2,/opt/other/start    a server that is at hand; its program gets the port
//! ```

mod drive;
mod server;
mod steps;
mod table;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use server::Server;
use steps::{Course, Effort};
use table::{Row, tables};

/// What the command line asks for.
struct Arguments {
    effort: Effort,
    rounds: usize,
    only: Option<Vec<String>>,
    also: Vec<Server>,
    /// Ours.
    program: PathBuf,
    /// Where the peers were put, and what the servers leave.
    prepared: PathBuf,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let effort = Effort { users: 10_000, time: Duration::from_secs(3) };
        let (program, prepared) = (PathBuf::from("target/release/provisor"), PathBuf::from("target/http"));
        let mut found = Self { effort, rounds: 3, only: None, also: Vec::new(), program, prepared };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let number = |text: String| text.parse::<usize>().map_err(|_| format!("{word} {text}: not a number"));
            match word.as_str() {
                "--quick" => {
                    found.effort = Effort { users: 1_000, time: Duration::from_millis(500) };
                    found.rounds = 1;
                }
                "--users" => found.effort.users = number(value()?)?,
                "--time" => found.effort.time = Duration::from_secs(number(value()?)? as u64),
                "--rounds" => found.rounds = number(value()?)?,
                "--only" => found.only = Some(value()?.split(',').map(str::to_owned).collect()),
                "--also" => found.also.push(Server::also(&value()?)?),
                "--program" => found.program = PathBuf::from(value()?),
                "--prepared" => found.prepared = PathBuf::from(value()?),
                _ => {
                    let known = "--quick --users N --time SECONDS --rounds N --only NAME,NAME --also NAME,KIND,ROOT,PROGRAM --program PATH";
                    return Err(format!("{word}? there are {known}"));
                }
            }
        }
        if found.effort.users < 200 {
            return Err("--users: at least 200, so that there are pages of 100 and groups to fill".to_owned());
        }
        Ok(found)
    }

    /// The servers to start, ours first; those that are not there are told.
    fn servers(&self) -> Result<Vec<Server>, String> {
        let absolute = |path: &PathBuf| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
        let (prepared, hosts) = (absolute(&self.prepared)?, absolute(&PathBuf::from("benches/http/hosts"))?);
        let mut all = vec![
            Server::ours(absolute(&self.program)?),
            Server::scimmy(&prepared, &hosts),
            Server::scim2(&prepared, &hosts),
        ];
        all.extend(self.also.iter().cloned());
        if let Some(only) = &self.only {
            if let Some(unknown) = only.iter().find(|name| all.iter().all(|server| server.name != **name)) {
                let known: Vec<&str> = all.iter().map(|server| server.name.as_str()).collect();
                return Err(format!("--only {unknown}: there are {}", known.join(", ")));
            }
            all.retain(|server| only.contains(&server.name));
        }
        let (there, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(Server::prepared);
        for server in missing {
            println!("left out: {}, which could not be installed", server.name);
        }
        Ok(there)
    }
}

fn run() -> Result<(), String> {
    let arguments = Arguments::read()?;
    let Arguments { effort, rounds, .. } = arguments;
    let mut rows: Vec<Row> =
        arguments.servers()?.into_iter().map(|server| Row { server, courses: Vec::new() }).collect();
    println!("{} users, {} s a step, 16 connections, rounds: {rounds}", effort.users, effort.time.as_secs_f64());
    for round in 1..=rounds {
        for row in &mut rows {
            eprintln!("round {round}: {}", row.server.name);
            let course = match row.server.start(&arguments.prepared) {
                Ok(running) => steps::go(&row.server, &running, effort),
                Err(error) => Course { notes: vec![error], ..Course::default() },
            };
            row.courses.push(course);
        }
    }
    print!("{}", tables(&rows));
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
