//! The whole house from outside: a real server with a database and a Redis of its own, real agents
//! with their sandboxes, people who come in over HTTP, the command line and a browser.
//!
//! One file a story. Each test starts its own house and ends it; `harness` knows how.

#[cfg(test)]
mod access;
#[cfg(test)]
mod agent_page;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod control;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod earnings;
#[cfg(test)]
mod guests;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod lend;
#[cfg(test)]
mod lies;
#[cfg(test)]
mod merges;
#[cfg(test)]
mod million;
#[cfg(test)]
mod money;
#[cfg(test)]
mod network;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod own_splitter;
#[cfg(test)]
mod python;
#[cfg(test)]
mod python_client;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod session_cli;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sessions_faults;
#[cfg(test)]
mod sessions_habits;
#[cfg(test)]
mod splits;
#[cfg(test)]
mod standby;
#[cfg(test)]
mod standby_forwards;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tamper_database;
#[cfg(test)]
mod tamper_evidence;
#[cfg(test)]
mod tariff;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod upload_page;
#[cfg(test)]
mod upload_resume;
#[cfg(test)]
mod uploads;
