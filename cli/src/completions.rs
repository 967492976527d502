//! `completions`: words that a shell offers, generated from the commands themselves, so that they
//! can never fall behind. Paths and ids are left to the shell.

use clap::{Command, CommandFactory as _};

use crate::args::{Cli, Shell};
use crate::exit::Exit;
use crate::output::Out;

pub(crate) fn print(shell: Shell, out: Out) -> anyhow::Result<Exit> {
    let text = script(shell);
    out.data(text.trim_end())?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> String {
    let mut root = Cli::command();
    root.build();
    let mut paths = Vec::new();
    collect(&root, &[], &mut paths);
    match shell {
        Shell::Bash => bash(&paths),
        Shell::Zsh => format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash(&paths)),
        Shell::Fish => fish(&paths),
    }
}

/// One command: the words that lead to it, and the words that can follow.
struct Place {
    path: Vec<String>,
    words: Vec<(String, String)>,
}

fn collect(command: &Command, path: &[String], places: &mut Vec<Place>) {
    let mut words = Vec::new();
    for sub in
        command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
    {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        words.push((sub.get_name().to_owned(), about));
        let deeper = [path, &[sub.get_name().to_owned()]].concat();
        collect(sub, &deeper, places);
    }
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        words.extend(arg.get_long().map(|long| (format!("--{long}"), about.clone())));
        if arg.is_positional() {
            let values = arg.get_possible_values();
            words.extend(values.iter().map(|v| (v.get_name().to_owned(), about.clone())));
        }
    }
    places.push(Place { path: path.to_vec(), words });
}

fn bash(places: &[Place]) -> String {
    let mut cases = String::new();
    for place in places {
        let words: Vec<_> = place.words.iter().map(|(word, _)| word.as_str()).collect();
        cases += &format!("    '{}') words='{}' ;;\n", place.path.join(" "), words.join(" "));
    }
    let paths: Vec<_> = places.iter().map(|place| format!("'{}'", place.path.join(" "))).collect();
    format!(
        r#"_medusa() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path='' word words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{path:+$path }}${{COMP_WORDS[i]}}"
    case "$word" in {}) path="$word" ;; esac
  done
  case "$path" in
{cases}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _medusa medusa
"#,
        paths.join("|")
    )
}

fn fish(places: &[Place]) -> String {
    let mut lines = String::new();
    for place in places {
        let seen: Vec<_> =
            place.path.iter().map(|word| format!("__fish_seen_subcommand_from {word}")).collect();
        let when =
            if seen.is_empty() { "__fish_use_subcommand".to_owned() } else { seen.join("; and ") };
        for (word, about) in &place.words {
            let word = match word.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-a {word}"),
            };
            let about = about.replace('\\', "").replace('\'', "\\'");
            lines += &format!("complete -c medusa -n '{when}' {word} -d '{about}'\n");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_offered_commands_and_flags() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = script(shell);
            for word in ["submit", "dry-run", "audit", "verify", "quorum", "server", "zsh"] {
                assert!(text.contains(word), "{shell:?} lacks {word}");
            }
        }
    }

    #[test]
    fn bash_completes_by_place() {
        let script = script(Shell::Bash);
        let line = |path: &str| {
            let start = format!("    '{path}') words=");
            script.lines().find(|line| line.starts_with(&start)).unwrap_or_default()
        };
        assert!(line("audit").contains("verify"));
        assert!(!line("audit").contains("--dry-run"));
        assert!(line("submit").contains("--dry-run") && line("submit").contains("--server"));
        assert!(line("completions").contains("fish"));
    }
}
