//! Finds the credentials in a command line: the values of flags (`--password ...`), and the arguments of known programs.

use std::ops::Range;

use super::names::is_secret_name;
use super::tokens::shell_word_length;
use super::values::is_benign_value;

/// The short flags that pass a key to programs of Prefect: `prefect agent kubernetes start -k KEY`.
const PREFECT_FLAGS: [&str; 3] = ["-k", "--key", "-t"];

/// A flag or an argument of a program that is a credential.
struct SecretArgument {
    programs: &'static [&'static str],
    /// The subcommand before the flag, or the last one before the arguments.
    subcommand: Option<&'static str>,
    form: SecretForm,
}

/// Where a credential is in the arguments of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SecretForm {
    /// The word after a flag.
    After(&'static str),
    /// The rest of the word that begins with a flag.
    Attached(&'static str),
    /// The argument with this 1-based number after the subcommand. Flags are not counted.
    Argument(usize),
}

/// The words between commands of a shell.
const COMMAND_ENDS: [&str; 10] = ["&&", "||", "|", "|&", "&", ";", "--", "do", "then", "else"];

/// The words before a command that are not its program.
const COMMAND_PREFIXES: [&str; 11] = ["sudo", "exec", "env", "nohup", "time", "if", "while", "until", "!", "(", "{"];

/// The clients of MySQL and MariaDB.
const MYSQL: &[&str] = &[
    "mysql",
    "mysqladmin",
    "mysqlcheck",
    "mysqldump",
    "mysqlimport",
    "mysqlshow",
    "mariadb",
    "mariadb-admin",
    "mariadb-dump",
];

/// The programs that log in to a registry.
const REGISTRY_CLIENTS: &[&str] = &["docker", "podman", "nerdctl", "helm", "oras", "crane", "skopeo", "buildah"];

/// The arguments that are credentials, as the manuals of the programs say.
const SECRET_ARGUMENTS: [SecretArgument; 8] = [
    SecretArgument { programs: MYSQL, subcommand: None, form: SecretForm::Attached("-p") },
    SecretArgument { programs: &["redis-cli"], subcommand: None, form: SecretForm::After("-a") },
    SecretArgument { programs: &["sshpass"], subcommand: None, form: SecretForm::After("-p") },
    SecretArgument { programs: &["sshpass"], subcommand: None, form: SecretForm::Attached("-p") },
    SecretArgument { programs: REGISTRY_CLIENTS, subcommand: Some("login"), form: SecretForm::After("-p") },
    SecretArgument { programs: &["curl"], subcommand: None, form: SecretForm::After("-u") },
    SecretArgument { programs: &["curl"], subcommand: None, form: SecretForm::After("--user") },
    SecretArgument { programs: &["mc"], subcommand: Some("set"), form: SecretForm::Argument(4) },
];

/// Finds the values of flags with a secret-looking name: `--password VALUE`.
pub(super) fn find_flags(text: &str, found: &mut Vec<Range<usize>>) {
    // `mc` has credentials without flags.
    if !text.contains('-') && !text.contains("mc ") {
        return;
    }
    let mut command = CommandLineReader::default();
    let mut is_continued = false;
    let mut flag: Option<&str> = None;
    // The end of the last value, and of the word.
    let (mut from, mut at) = (0, 0);
    for word in text.split_inclusive(|c: char| c.is_whitespace()) {
        let start = at;
        at += word.len();
        let ends_line = word.ends_with(['\n', '\r']);
        let word = word.trim_end();
        // A line that ends with a backslash continues on the next line.
        is_continued = word == "\\" || word.is_empty() && is_continued;
        let ends_command = ends_line && !is_continued;
        if word.is_empty() || word == "\\" || start < from {
            ends_command.then(|| command.end());
            continue;
        }
        command.read(word);
        if let Some(name) = flag.take()
            && !word.starts_with('-')
            && let value = &text[start..start + shell_word_length(&text[start..])]
            && !is_benign_argument(name, value)
        {
            from = start + value.len();
            found.push(start..from);
        } else if let Some(offset) = command.attached_value(word) {
            let start = start + offset;
            from = start + shell_word_length(&text[start..]);
            found.push(start..from);
        }
        flag = Some(word).filter(|word| command.is_secret_flag(word));
        if ends_command {
            command.end();
        }
    }
}

/// Returns whether the argument of a secret flag is a variable that the shell or Kubernetes replaces, or a
/// placeholder.
fn is_benign_argument(name: &str, argument: &str) -> bool {
    let argument = argument.trim_end_matches([';', '|', '&']);
    // The end of a command in parentheses.
    let argument = if argument.contains('(') { argument } else { argument.trim_end_matches(')') };
    let value = argument.trim_matches(['"', '\'', '`', '\\']);
    // `$'...'` is a string, not a variable.
    value.starts_with('$') && !value.starts_with("$'") || is_benign_value(name, value)
}

/// Returns whether a word sets a variable for the command after it: `PGPASSWORD=x psql`.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty()
        && !word.contains(['(', '`'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads a command line word by word: finds flags and arguments that are credentials. Short flags are known for a few
/// programs only.
#[derive(Default)]
pub struct CommandLineReader {
    is_prefect: bool,
    is_agent: bool,
    starts_agent: bool,
    /// The name of the program, if it has [`SECRET_ARGUMENTS`].
    program: Option<&'static str>,
    /// The last subcommand of [`SECRET_ARGUMENTS`], and the number of words after it that are not flags.
    subcommand: Option<(&'static str, usize)>,
    /// Whether the program of the command was read.
    has_program: bool,
    /// Whether the last word ends the command.
    ends_command: bool,
}

impl CommandLineReader {
    /// Reads the next word.
    pub fn read(&mut self, word: &str) {
        self.is_prefect |= word.ends_with("prefect");
        self.is_agent |= self.is_prefect && word == "agent";
        self.starts_agent |= self.is_agent && word == "start";
        if std::mem::replace(&mut self.ends_command, word.ends_with(';')) {
            self.end();
        }
        let known = SECRET_ARGUMENTS.iter();
        let starts_command = !self.has_program || word.contains("$(") || word.starts_with(['(', '`']);
        if COMMAND_ENDS.contains(&word) {
            self.end();
        } else if starts_command && !COMMAND_PREFIXES.contains(&word) && !is_assignment(word) {
            let name = word.rsplit(['/', '(', '`', '"', '\'']).next().unwrap_or_default();
            let mut programs = known.flat_map(|known| known.programs.iter().copied());
            (self.program, self.subcommand) = (programs.find(|program| *program == name), None);
            self.has_program = true;
        } else if let Some(subcommand) = known.filter_map(|known| known.subcommand).find(|name| *name == word) {
            self.subcommand = Some((subcommand, 0));
        } else if let Some((_, count)) = self.subcommand.as_mut().filter(|_| !word.starts_with('-')) {
            *count += 1;
        }
    }

    /// Ends the command. The next word may be a program.
    pub fn end(&mut self) {
        (self.program, self.subcommand, self.has_program) = (None, None, false);
    }

    /// Returns whether the argument after `flag` is a credential.
    pub fn is_secret_flag(&self, flag: &str) -> bool {
        flag.strip_prefix("--").is_some_and(|name| !name.contains('=') && is_secret_name(name))
            || self.is_prefect && PREFECT_FLAGS.contains(&flag)
            || self.forms().any(|form| matches!(form, SecretForm::After(name) if name == flag))
    }

    /// Returns the offset of a credential in a word: `--key=VALUE` of Prefect's program, `-kVALUE` of an agent, `-pVALUE`
    /// of a client of MySQL, and 0 for an argument that is a credential as a whole.
    pub fn attached_value(&self, word: &str) -> Option<usize> {
        let prefect = PREFECT_FLAGS.iter().filter(|_| self.is_prefect).find_map(|flag| {
            let rest = word.strip_prefix(flag)?;
            rest.strip_prefix('=').or_else(|| Some(rest).filter(|_| self.starts_agent && !flag.starts_with("--")))
        });
        let count = self.subcommand.map_or(0, |(_, count)| count);
        let attached = || {
            self.forms().find_map(|form| match form {
                SecretForm::Attached(flag) => word.strip_prefix(flag),
                SecretForm::Argument(number) => Some(word).filter(|_| number == count && !word.starts_with('-')),
                SecretForm::After(_) => None,
            })
        };
        let rest = prefect.or_else(attached)?;
        (!is_benign_argument("key", rest)).then(|| word.len() - rest.len())
    }

    /// Returns the places of credentials in the arguments of the program.
    fn forms(&self) -> impl Iterator<Item = SecretForm> {
        let subcommand = self.subcommand.map(|(name, _)| name);
        let known =
            SECRET_ARGUMENTS.iter().filter(|known| self.program.is_some_and(|name| known.programs.contains(&name)));
        known.filter(move |known| known.subcommand.is_none_or(|name| subcommand == Some(name))).map(|known| known.form)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::super::find_credentials;

    #[test]
    fn finds_the_arguments_of_known_programs() {
        for text in [
            "mysql -u root -phunter2 etl",
            "until mysqladmin ping -h db -p'hunter2'; do sleep 1; done",
            "redis-cli -a hunter2 ping",
            "/usr/bin/sshpass -p hunter2 ssh etl@db",
            "sshpass -phunter2 ssh db",
            "docker login -u etl -p hunter2 registry.example",
            "x && (docker login registry.example -p hunter2)",
            "curl -s -u etl:hunter2 https://a.example",
            "curl --user \"etl:hunter2\" https://a.example",
            "mc --quiet alias set local http://minio:9000 etl hunter2",
            "mc \\\n  alias set local http://minio:9000 \\\n  etl hunter2",
            "mysql -p'hunter2 xyzzy' etl",
            "mc alias set local http://minio:9000 etl 'hunter2 xyzzy'",
            "kubectl exec deploy/db -- mysql -phunter2",
            "MODE=x sudo mysql -phunter2",
            "out=$(mysql -phunter2)",
        ] {
            let found = find_credentials(text);
            let is_whole = |range: &Range<usize>| {
                text[range.clone()].contains("hunter2")
                    && text[range.clone()].contains("xyzzy") == text.contains("xyzzy")
            };
            assert!(matches!(&*found, [range] if is_whole(range)), "{text}: {found:?}");
        }
        for text in [
            "mysql -u root -p etl",
            "mysql -p$(PASSWORD)",
            "mysql -u root\nmkdir -pv /backup",
            "mysql etl && mkdir -pv /backup",
            "docker run -p 8080:80 etl",
            "docker login registry; docker run -p 8080:80 etl",
            "curl -u etl https://a.example",
            "curl -u etl: https://a.example",
            "curl -u etl:$(PASSWORD) https://a.example",
            "redis-cli ping -a",
            "mc alias set local http://minio:9000 $(KEY) $(SECRET)",
            "mc alias list local http://minio:9000 a b",
            "sort -u a:b",
            "docker run --name mysql -p3306:3306 mysql:8",
            "kubectl exec deploy/mysql -- mkdir -pv /backup",
            "mysql etl < a.sql & mkdir -pv /x",
            "su mysql -pc id",
            "mysqladmin ping -p\"$MYSQL_ROOT_PASSWORD\"; do",
            "mysql -p$(PASSWORD); echo",
            "mysql -p\"$(cat /run/secret/pw)\" etl",
            "out=$(mysql -p\"$PASS\")",
            "mysql -p${PASS}|sort",
            "curl -u \"$USER:$PASS\" https://a.example",
            "redis-cli -a \"$REDIS_PASSWORD\"",
            "sshpass -p \"$PW\" ssh db",
        ] {
            assert!(find_credentials(text).is_empty(), "{text}");
        }
    }
}
