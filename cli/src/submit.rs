//! `submit`: from files to a job. Uploads, quotes, compares with the budget, asks, submits.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use medusa_api::{
    Job, JobSpec, JobSubmit, MergeBy, Priority, ProgramUpload, Quote, QuoteRequest, Runtime,
    SpecError, Split,
};
use medusa_client::operation_id;
use medusa_types::{Credits, ProgramId, Sha256Hash, Uuid};

use crate::exit::{Exit, Fail};
use crate::output::{ask, bytes_in_words, can_ask, seconds_in_words};
use crate::upload::send;
use crate::{App, args, watch};

/// Where a program or an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source<T> {
    /// On this machine, still to be uploaded.
    File(PathBuf),
    /// On the server already.
    There(T),
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    program: Source<ProgramId>,
    /// What runs the program, where it is a script.
    runtime: Option<String>,
    input: Option<Source<Sha256Hash>>,
    /// The module that splits, where it is still to be uploaded.
    splitter: Option<PathBuf>,
    /// The module that merges, likewise.
    merger: Option<PathBuf>,
    spec: JobSpec,
}

/// Stands in a spec for a module that is not uploaded yet.
const NOT_YET: ProgramId = ProgramId(Uuid::nil());

pub(crate) async fn submit(app: &App, args: args::Submit) -> anyhow::Result<Exit> {
    let base = match (&args.example, &args.job) {
        (Some(name), _) => of_example(app, name).await?,
        (None, Some(path)) => of_file(path)?,
        (None, None) => of_flags(&args)?,
    };
    let plan = changed(base, &args)?;
    plan.spec.check().map_err(|errors| unsound(&errors))?;
    let quote = quote(app, &plan).await?;
    app.out.say(&in_words(&quote));
    let hold = within_budget(app, &quote, args.budget)?;
    if args.dry_run {
        if app.out.json() {
            app.out.value(&quote)?;
        }
        return Ok(Exit::Done);
    }
    if !args.yes && can_ask() && !agreed(hold)? {
        return Err(Fail::new(Exit::General, "nothing was submitted").into());
    }
    let job = app.client.submit_job(&accepting(quote, hold), operation_id()).await?;
    tell(app, &job)?;
    if args.wait { watch::follow(app, &job, app.out.json()).await } else { Ok(Exit::Done) }
}

/// What is held: the quote's hold, or the budget where it is less. Refuses what will likely cost
/// more than that.
pub(crate) fn within_budget(
    app: &App,
    quote: &Quote,
    budget: Option<Credits>,
) -> anyhow::Result<Credits> {
    let Some(budget) = budget.filter(|budget| quote.hold > *budget) else { return Ok(quote.hold) };
    let likely = quote.likely;
    if likely > budget {
        let message =
            format!("the job will likely cost {likely} credits, over the budget of {budget}");
        let next = "nothing was submitted; give a larger --budget, or compute less";
        return Err(Fail::new(Exit::JobStopped, message).next(next).into());
    }
    app.out.say(&format!(
        "at most {budget} credits are held; should they be spent, the job pauses and waits for more"
    ));
    Ok(budget)
}

/// Accepts a quote, with so much held.
pub(crate) fn accepting(quote: Quote, hold: Credits) -> JobSubmit {
    JobSubmit { budget: (hold < quote.hold).then_some(hold), ..JobSubmit::of(quote.id) }
}

pub(crate) fn tell(app: &App, job: &Job) -> anyhow::Result<()> {
    if app.out.json() { app.out.value(job) } else { app.out.data(&job.id.to_string()) }
}

pub(crate) fn agreed(hold: Credits) -> anyhow::Result<bool> {
    let answer = ask(&format!("Run it for at most {hold} credits? [y/N]"))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

async fn of_example(app: &App, name: &str) -> anyhow::Result<Plan> {
    let examples = app.client.examples().await?;
    let found = examples.iter().find(|example| example.id == name);
    let example = found.ok_or_else(|| {
        let names: Vec<_> = examples.iter().map(|example| example.id.as_str()).collect();
        Fail::new(Exit::NotFound, format!("there is no example {name:?}"))
            .next(format!("there are: {}", names.join(", ")))
    })?;
    Ok(Plan {
        program: Source::There(example.program),
        runtime: None,
        input: example.input.map(Source::There),
        splitter: None,
        merger: None,
        spec: example.spec.clone(),
    })
}

fn of_file(path: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read {}", path.display()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    of_text(&text, folder).with_context(|| format!("{} is not a job", path.display()))
}

/// A job file is a spec with more fields: `program`, `runtime`, `input`, `about`, and the files of
/// modules that split and merge, `splitter` and `merger`.
fn of_text(text: &str, folder: &Path) -> anyhow::Result<Plan> {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    fields.remove("about");
    let runtime = match fields.remove("runtime") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(name)) => Some(name),
        Some(_) => return Err(Fail::new(Exit::General, "runtime is a name, like python").into()),
    };
    let mut file = |name: &str| match fields.remove(name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(file)) => Ok(Some(folder.join(file))),
        Some(_) => Err(Fail::new(Exit::General, format!("{name} is the path of a file"))),
    };
    let program = file("program")?.context("it names no program")?;
    let input = file("input")?.map(Source::File);
    let (splitter, merger) = (file("splitter")?, file("merger")?);
    if splitter.is_some() {
        name_module(fields.entry("split").or_insert_with(|| serde_json::json!({"by": "program"})));
    }
    if merger.is_some() {
        name_module(fields.entry("merge_by").or_insert_with(|| serde_json::json!({})));
    }
    let spec = serde_json::from_value(serde_json::Value::Object(fields))?;
    Ok(Plan { program: Source::File(program), runtime, input, splitter, merger, spec })
}

/// Lets a part of a job file that names no program read as a part of a spec.
fn name_module(part: &mut serde_json::Value) {
    if let Some(part) = part.as_object_mut() {
        part.insert("program".into(), NOT_YET.to_string().into());
    }
}

fn of_flags(args: &args::Submit) -> anyhow::Result<Plan> {
    let program = args.program.clone().context("no program was given")?;
    let split = own_split(args).or_else(|| args.split.clone());
    let split = split.or_else(|| natural_split(args.input.as_deref()?));
    let split = split.ok_or_else(|| {
        Fail::new(Exit::Usage, "it is not clear how to cut the job into chunks")
            .next("say it with --split, like --split by=lines,lines=1000, or with --split-by")
    })?;
    let spec = JobSpec {
        name: stem(&program),
        args: Vec::new(),
        split,
        merge: Vec::new(),
        copies: 1,
        memory_mib: 0,
        strict: false,
        keep_going: false,
        priority: Priority::Standard,
        merge_by: None,
        script: None,
    };
    let (splitter, merger) = (None, None);
    Ok(Plan { program: Source::File(program), runtime: None, input: None, splitter, merger, spec })
}

/// The split by a module of one's own.
fn own_split(args: &args::Submit) -> Option<Split> {
    args.split_by.as_ref()?;
    Some(Split::Program { program: NOT_YET, args: args.split_arg.clone(), module: None })
}

/// An archive has one natural split; nothing else has.
pub(crate) fn natural_split(input: &Path) -> Option<Split> {
    let extension = input.extension()?.to_str()?.to_lowercase();
    matches!(extension.as_str(), "zip" | "tar").then_some(Split::Files { group: 1 })
}

/// What the command line says goes before what the example or the file says.
fn changed(mut plan: Plan, args: &args::Submit) -> anyhow::Result<Plan> {
    if let Some(input) = &args.input {
        plan.input = Some(Source::File(input.clone()));
    }
    if args.runtime.is_some() {
        plan.runtime.clone_from(&args.runtime);
    }
    let spec = &mut plan.spec;
    if let Some(name) = &args.name {
        spec.name.clone_from(name);
    }
    if let Some(split) = own_split(args).or_else(|| args.split.clone()) {
        spec.split = split;
        plan.splitter.clone_from(&args.split_by);
    }
    if args.merge_by.is_some() {
        let (args_of, fan_in) = (args.merge_arg.clone(), args.fan_in);
        let by = MergeBy { program: NOT_YET, args: args_of, fan_in, module: None };
        spec.merge_by = Some(by);
        plan.merger.clone_from(&args.merge_by);
    }
    if !args.args.is_empty() {
        spec.args.clone_from(&args.args);
    }
    if !args.merge.is_empty() {
        spec.merge.clone_from(&args.merge);
    }
    spec.copies = args.copies.unwrap_or(spec.copies);
    spec.memory_mib = args.memory.unwrap_or(spec.memory_mib);
    spec.strict |= args.strict;
    spec.keep_going |= args.keep_going;
    spec.priority = args.priority.unwrap_or(spec.priority);
    match (&spec.split, &plan.input) {
        (Split::Range { .. }, Some(_)) => {
            Err(Fail::new(Exit::Usage, "a range needs no input: leave out --input").into())
        }
        (Split::Range { .. } | Split::Program { .. }, None) | (_, Some(_)) => Ok(plan),
        (_, None) => {
            Err(Fail::new(Exit::Usage, "there is nothing to cut into chunks: give --input").into())
        }
    }
}

fn unsound(errors: &[SpecError]) -> Fail {
    let lines: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.pointer, e.message)).collect();
    Fail::new(Exit::Usage, lines.join("; "))
}

async fn quote(app: &App, plan: &Plan) -> anyhow::Result<Quote> {
    let program = match &plan.program {
        Source::There(id) => *id,
        Source::File(path) => add_program(app, path, runtime(app, plan, path).await?).await?,
    };
    let mut spec = plan.spec.clone();
    if let (Some(path), Split::Program { program, .. }) = (&plan.splitter, &mut spec.split) {
        *program = add_program(app, path, None).await?;
    }
    if let (Some(path), Some(by)) = (&plan.merger, &mut spec.merge_by) {
        by.program = add_program(app, path, None).await?;
    }
    let input = match &plan.input {
        None => None,
        Some(Source::There(blob)) => Some(*blob),
        Some(Source::File(path)) => Some(send(app, path).await?.sha256),
    };
    app.out.say("running a sample chunk for the quote");
    Ok(app.client.quote(&QuoteRequest { program, input, spec }).await?)
}

/// Uploads a module or a script and makes it a program.
pub(crate) async fn add_program(
    app: &App,
    path: &Path,
    runtime: Option<String>,
) -> anyhow::Result<ProgramId> {
    let blob = send(app, path).await?;
    app.out.say(&format!("checking {}", path.display()));
    let upload = ProgramUpload { sha256: blob.sha256, name: stem(path), runtime };
    Ok(app.client.add_program(&upload).await?.id)
}

/// What runs the program: what was said, else the runtime for files that end so.
async fn runtime(app: &App, plan: &Plan, path: &Path) -> anyhow::Result<Option<String>> {
    let suffix = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    if plan.runtime.is_some() || suffix.as_deref().is_none_or(|suffix| suffix == ".wasm") {
        return Ok(plan.runtime.clone());
    }
    let offered = app.client.runtimes().await?;
    let fits = |runtime: &&Runtime| Some(&runtime.suffix) == suffix.as_ref();
    let found = offered.iter().find(fits);
    if let Some(found) = found {
        app.out.say(&format!("{} is run by {} {}", path.display(), found.name, found.version));
    }
    Ok(found.map(|runtime| runtime.name.clone()))
}

pub(crate) fn stem(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|stem| !stem.is_empty()).unwrap_or_else(|| "program".to_owned())
}

/// A quote for people: the price, what it is made of, and how long it takes.
pub(crate) fn in_words(quote: &Quote) -> String {
    let Quote { likely, low, hold, .. } = quote;
    let mut text = format!(
        "{}\n{}\nlikely {likely} credits ({low} at least), never more than {hold}",
        quote.split.in_words,
        runs_in_words(quote)
    );
    let amounts = quote.breakdown.parts().map(|(name, amount)| (name, amount.to_string()));
    let width = amounts.iter().map(|(_, amount)| amount.len()).max().unwrap_or_default();
    for (name, amount) in amounts {
        let twice = match (name, quote.twice_ppm.div_ceil(10_000)) {
            ("checking", percent @ 0..100) => format!(" (about {percent} % of the chunks twice)"),
            ("checking", _) => " (every chunk twice)".to_owned(),
            _ => String::new(),
        };
        text += &format!("\n  {name:<16}{amount:<width$}{twice}");
        text.truncate(text.trim_end().len());
    }
    text += &match (quote.agents, quote.time) {
        (0, _) | (_, None) => "\nnobody is online: the job would wait for a machine".to_owned(),
        (n, Some(time)) => format!(
            "\n{} to {} on {n} machines",
            seconds_in_words(time.low),
            seconds_in_words(time.high)
        ),
    };
    let stderr = quote.sample_stderr.trim();
    if !stderr.is_empty() {
        text += &format!("\nthe sample said: {stderr}");
    }
    text
}

/// What a chunk reads, and what is run beside the chunks.
fn runs_in_words(quote: &Quote) -> String {
    let (average, largest) = (quote.split.average(), quote.split.largest);
    let mut text = format!("a chunk reads {}", bytes_in_words(average));
    if largest > average {
        text += &format!(" on average, {} at most", bytes_in_words(largest));
    }
    match quote.merging.map(|merging| merging.nodes) {
        None => {}
        Some(1) => text += "; one more run puts the results together",
        Some(nodes) => text += &format!("; {nodes} more runs put the results together"),
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use medusa_api::{MergeHow, MergeRule};

    use super::*;

    fn flags(line: &str) -> args::Submit {
        let words = ["medusa", "submit"].into_iter().chain(line.split_whitespace());
        match args::Cli::try_parse_from(words).unwrap().command {
            args::Command::Submit(submit) => *submit,
            other => panic!("not a submit: {other:?}"),
        }
    }

    const FILE: &str = r#"{"name":"Cells","about":"Finds cells.","program":"cells.wasm",
        "input":"cells.png","args":["--min","4"],
        "split":{"by":"tiles","width":96,"height":96,"overlap":72},
        "merge":[{"file":"cells.csv","how":"csv","sort":2,"to":"cells.csv"}]}"#;

    #[test]
    fn a_job_file_is_seen_from_its_folder() {
        let plan = of_text(FILE, Path::new("examples/cells")).unwrap();
        assert_eq!(plan.program, Source::File("examples/cells/cells.wasm".into()));
        assert_eq!(plan.input, Some(Source::File("examples/cells/cells.png".into())));
        assert_eq!((plan.spec.name.as_str(), plan.spec.copies), ("Cells", 2));
    }

    #[test]
    fn a_job_file_may_name_the_runtime_of_a_script_and_the_command_line_another() {
        let file = FILE.replace("\"cells.wasm\"", "\"cells.py\",\"runtime\":\"python\"");
        let plan = of_text(&file, Path::new("")).unwrap();
        assert_eq!(plan.runtime.as_deref(), Some("python"));
        let plan = changed(plan, &flags("--job job.json --runtime other")).unwrap();
        assert_eq!(plan.runtime.as_deref(), Some("other"));
        let line = "cells.py --runtime python --split by=range,from=0,to=9,step=1";
        let plan = changed(of_flags(&flags(line)).unwrap(), &flags(line)).unwrap();
        assert_eq!((plan.runtime.as_deref(), plan.spec.name.as_str()), (Some("python"), "cells"));
    }

    #[test]
    fn modules_that_split_and_merge_come_from_the_file_or_the_command_line() {
        let file = FILE
            .replace(r#""split":{"by":"tiles","width":96,"height":96,"overlap":72}"#, r#""x":0"#)
            .replace(r#""x":0"#, r#""splitter":"cut.wasm","merger":"join.wasm""#);
        let plan = of_text(&file, Path::new("a")).unwrap();
        assert_eq!(plan.splitter, Some("a/cut.wasm".into()));
        assert_eq!(plan.merger, Some("a/join.wasm".into()));
        let by = MergeBy { program: NOT_YET, args: Vec::new(), fan_in: 8, module: None };
        assert_eq!(plan.spec.merge_by.as_ref(), Some(&by));
        let cut = |args| Split::Program { program: NOT_YET, args, module: None };
        assert_eq!(plan.spec.split, cut(Vec::new()));
        let with = r#""split":{"by":"program","args":["--files"]},"splitter":"#;
        let plan = of_text(&file.replace(r#""splitter":"#, with), Path::new("")).unwrap();
        assert_eq!(plan.spec.split, cut(vec!["--files".into()]));

        let line = "a.wasm --split-by cut.wasm --split-arg --files --merge-by join.wasm --fan-in 4";
        let plan = changed(of_flags(&flags(line)).unwrap(), &flags(line)).unwrap();
        assert_eq!(plan.splitter, Some("cut.wasm".into()));
        assert_eq!(plan.spec.split, cut(vec!["--files".into()]));
        assert_eq!(plan.merger, Some("join.wasm".into()));
        assert_eq!(plan.spec.merge_by, Some(MergeBy { fan_in: 4, ..by }));
        // Another split on the command line puts the file's module aside.
        let line = "--job job.json --split by=lines,lines=5";
        let plan = changed(of_text(&file, Path::new("")).unwrap(), &flags(line)).unwrap();
        assert_eq!((plan.splitter, plan.merger), (None, Some("join.wasm".into())));
    }

    #[test]
    fn a_bad_job_file_says_what_is_wrong() {
        for (text, part) in [
            ("[]", "invalid type"),
            (r#"{"name":"x","split":{"by":"files"}}"#, "names no program"),
            (r#"{"program":5,"name":"x","split":{"by":"files"}}"#, "path of a file"),
            (r#"{"program":"p","runtime":3,"name":"x","split":{"by":"files"}}"#, "like python"),
            (r#"{"program":"p","name":"x"}"#, "missing field `split`"),
            (r#"{"program":"p","name":"x","split":{"by":"files"},"copy":1}"#, "unknown field"),
        ] {
            let error = of_text(text, Path::new("")).expect_err(text);
            assert!(format!("{error:#}").contains(part), "{text} gave {error:#}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let args = flags(
            "--job job.json -i other.png --arg --max --copies 1 --name Mine --memory 64 --strict \
             --keep-going --priority urgent --merge how=concat,to=all",
        );
        let plan = changed(of_text(FILE, Path::new("")).unwrap(), &args).unwrap();
        assert_eq!(plan.input, Some(Source::File("other.png".into())));
        assert_eq!(plan.spec.args, ["--max"]);
        assert_eq!((plan.spec.copies, plan.spec.memory_mib, plan.spec.strict), (1, 64, true));
        assert_eq!((plan.spec.keep_going, plan.spec.priority), (true, Priority::Urgent));
        assert_eq!(plan.spec.name, "Mine");
        let rule =
            MergeRule { file: String::new(), how: MergeHow::Concat, sort: 0, to: "all".into() };
        assert_eq!(plan.spec.merge, [rule]);
        assert!(matches!(plan.spec.split, Split::Tiles { width: 96, .. }), "kept from the file");
    }

    #[test]
    fn a_split_is_guessed_for_archives_only() {
        let split = |line: &str| of_flags(&flags(line)).map(|plan| plan.spec.split).ok();
        assert_eq!(split("a.wasm -i books.zip"), Some(Split::Files { group: 1 }));
        assert_eq!(split("a.wasm -i books.TAR"), Some(Split::Files { group: 1 }));
        assert_eq!(split("a.wasm -i books.txt"), None);
        assert_eq!(split("a.wasm"), None);
    }

    #[test]
    fn input_and_split_must_fit() {
        let fits = |line: &str| {
            let args = flags(line);
            changed(of_flags(&args).unwrap(), &args).is_ok()
        };
        assert!(fits("a.wasm --split by=range,from=0,to=9,step=1"));
        assert!(!fits("a.wasm -i x --split by=range,from=0,to=9,step=1"));
        assert!(!fits("a.wasm --split by=lines,lines=5"));
        assert!(fits("a.wasm -i - --split by=lines,lines=5"));
    }
}
