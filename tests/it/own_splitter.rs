//! Jobs whose chunks a program of the consumer's own makes: a real book by its chapters, beside
//! what is counted at home; and splitters that do everything that they must not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Read as _};
use std::time::Duration;

use bytes::Bytes;
use medusa_api::{
    Job, JobSpec, JobState, JobSubmit, MergeHow, MergeRule, Problem, QuoteRequest, Split,
};
use medusa_client::operation_id;
use medusa_types::{ChunkIndex, JobId, ProgramId, Sha256Hash};
use serde_json::Value;

use crate::harness::{
    Browser, Folder, House, Person, add_program, echo, ended, example_file, guest, joiner, medusa,
    plan, range, until,
};

/// One of the six novels.
fn persuasion() -> Vec<u8> {
    let archive = Cursor::new(example_file("words/books.zip"));
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let mut book = Vec::new();
    archive.by_name("persuasion.txt").unwrap().read_to_end(&mut book).unwrap();
    book
}

/// Where its chapters begin, found at home.
fn beginnings(book: &[u8]) -> Vec<usize> {
    let starts =
        |at: &usize| (*at == 0 || book[at - 1] == b'\n') && book[*at..].starts_with(b"Chapter ");
    std::iter::once(0).chain((0..book.len()).filter(starts)).collect()
}

/// All its words with their counts, counted at home over the whole book.
fn words(book: &[u8]) -> String {
    let letter = |at: Option<usize>| {
        at.and_then(|at| book.get(at)).is_some_and(|byte| byte.is_ascii_alphabetic())
    };
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut word = String::new();
    for at in 0..=book.len() {
        let inside =
            book.get(at) == Some(&b'\'') && letter(at.checked_sub(1)) && letter(Some(at + 1));
        if letter(Some(at)) || inside {
            word.push(char::from(book[at].to_ascii_lowercase()));
        } else if !word.is_empty() {
            *counts.entry(std::mem::take(&mut word)).or_default() += 1;
        }
    }
    let mut rows = "ngram,count\n".to_owned();
    for (word, count) in counts {
        writeln!(rows, "{word},{count}").unwrap();
    }
    rows
}

/// The plan of a job, whose digest the log must have.
async fn agreed_plan(house: &House, person: &Person, job: JobId) -> Value {
    let (bytes, same) = plan(house, person, job).await;
    assert!(same);
    serde_json::from_slice(&bytes).unwrap()
}

/// The result of a job that came to a good end.
async fn counted(person: &Person, job: JobId) -> String {
    let job: Job = ended(person, job).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    let found = person.client.result(&job, "words.csv").await.unwrap().unwrap();
    String::from_utf8(found).unwrap()
}

#[tokio::test]
async fn a_book_is_cut_by_its_chapters_and_counted_as_at_home() {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let (book, folder) = (persuasion(), Folder::new());
    for (name, bytes) in [
        ("book.txt", book.clone()),
        ("words.wasm", example_file("words/words.wasm")),
        ("chapters.wasm", example_file("chapters/chapters.wasm")),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let line = "submit words.wasm -i book.txt --split-by chapters.wasm --arg --n --arg 1 \
                --merge how=sum,to=words.csv";
    let (status, quote) = medusa(&house, &consumer, &folder, &format!("{line} --dry-run")).await;
    let starts = beginnings(&book);
    assert_eq!((status, starts.len()), (0, 25));
    assert_eq!(quote["split"]["chunks"], 25);
    assert_eq!(quote["split"]["bytes"], book.len());
    let words_of_it = quote["split"]["in_words"].as_str().unwrap();
    assert!(words_of_it.starts_with("25 chunks of "), "{words_of_it}");
    assert!(words_of_it.ends_with(" bytes, cut by your splitter"), "{words_of_it}");

    // The plan is kept: the server that begins the job is not the one that ran the splitter.
    let (status, job) = medusa(&house, &consumer, &folder, &format!("{line} --yes")).await;
    assert_eq!(status, 0, "{job}");
    house.kill9();
    house.restart().await;
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let ranges: JobId = job["id"].as_str().unwrap().parse().unwrap();
    let expected = words(&book);
    assert!(counted(&consumer, ranges).await == expected, "the counts differ from those at home");
    let planned = agreed_plan(&house, &consumer, ranges).await;
    assert_eq!(planned.get("pieces"), None, "nothing is copied");
    for (chunk, start) in starts.iter().enumerate() {
        let end = starts.get(chunk + 1).copied().unwrap_or(book.len());
        let name = format!("chapter-{chunk:03}.txt");
        let piece = serde_json::json!({"name": name, "offset": start, "len": end - start});
        assert_eq!(planned["chunks"][chunk]["piece"], piece);
    }
    let run = consumer.client.chunk_run(ranges, ChunkIndex(2)).await.unwrap();
    let paths: Vec<&str> = run.inputs.iter().map(|input| input.path.as_str()).collect();
    assert_eq!(paths, ["", "in/chapter-002.txt"]);
    assert!(consumer.client.chunk_input(&run, 1).await.unwrap() == book[starts[2]..starts[3]]);
    let replay = format!("replay {ranges} 2");
    let (status, told) = medusa(&house, &consumer, &folder, &replay).await;
    assert_eq!((status, &told["same"]), (0, &Value::Bool(true)), "{told}");

    // The same module and input, the same plan.
    let (_, again) = medusa(&house, &consumer, &folder, &format!("{line} --yes")).await;
    let again: JobId = again["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(agreed_plan(&house, &consumer, again).await, planned);

    // As files, the chunks are the same bytes, out of one blob.
    let line = format!("{line} --split-arg --files --yes");
    let (status, job) = medusa(&house, &consumer, &folder, &line).await;
    assert_eq!(status, 0, "{job}");
    let files: JobId = job["id"].as_str().unwrap().parse().unwrap();
    assert!(counted(&consumer, files).await == expected, "the counts differ from those at home");
    let planned = agreed_plan(&house, &consumer, files).await;
    assert!(planned["pieces"]["size"].as_u64().unwrap() > u64::try_from(book.len()).unwrap());
    assert_eq!(planned["chunks"].as_array().unwrap().len(), 25);
    assert_eq!(consumer.client.rerun_job(files).await.unwrap().split.chunks, 25);
    let (status, told) = medusa(&house, &consumer, &folder, &format!("replay {files} 24")).await;
    assert_eq!((status, &told["same"]), (0, &Value::Bool(true)), "{told}");
    assert!(counted(&consumer, again).await == expected);
}

/// Writes this text to a descriptor.
fn says(fd: u32, text: &str, then: &str) -> Vec<u8> {
    let len = text.len();
    let text: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    guest(&format!(
        r#"(data (i32.const 8192) "{text}")
        (func (export "_start")
            (call $write (i32.const {fd}) (i32.const 8192) (i32.const {len})) {then})"#
    ))
}

fn request(program: ProgramId, splitter: ProgramId, input: Option<Sha256Hash>) -> QuoteRequest {
    let split = Split::Program { program: splitter, args: Vec::new(), module: None };
    let out =
        MergeRule { file: String::new(), how: MergeHow::Concat, sort: 0, to: "out.txt".into() };
    QuoteRequest { program, input, spec: JobSpec { split, merge: vec![out], ..range(1, 2) } }
}

async fn refused(person: &Person, request: &QuoteRequest) -> Problem {
    let error = person.client.quote(request).await.unwrap_err();
    error.problem().unwrap_or_else(|| panic!("{error}")).clone()
}

#[tokio::test]
async fn splitters_that_fail_or_lie_are_refused_before_anything_is_paid() {
    let house = House::open().await;
    let (consumer, other) = (house.person("carla").await, house.person("otto").await);
    let echo = add_program(&consumer, echo()).await.unwrap();
    let input = Bytes::from_static(b"0123456789");
    let input = Some(consumer.client.upload_bytes(input).await.unwrap().sha256);
    let two = "{\"offset\":0,\"length\":6}\n{\"offset\":5,\"length\":5}\n";
    let beyond = "{\"offset\":6,\"length\":5}\n";
    let leave = "(call $exit (i32.const 3))";
    let refused_one = "jobs.splitter_refused";
    for (wasm, code, part) in [
        (says(1, two, ""), refused_one, "line 2: it begins at byte 5"),
        (says(1, beyond, ""), refused_one, "beyond the input's end, 10"),
        (says(1, "chunk 1", ""), refused_one, "line 1: it is not like"),
        (says(2, "I saw no chapter", ""), refused_one, "wrote nothing"),
        (says(2, "I saw no chapter", ""), refused_one, "I saw no chapter"),
        (says(2, "a bad header", leave), "jobs.splitter_failed", "exit status 3\na bad header"),
        (says(2, "oh", "(unreachable)"), "jobs.splitter_failed", "crashed"),
    ] {
        let splitter = add_program(&consumer, wasm).await.unwrap();
        let problem = refused(&consumer, &request(echo, splitter, input)).await;
        assert_eq!((problem.status, problem.code.as_str()), (422, code), "{problem}");
        assert_eq!(problem.errors[0].pointer, "/spec/split/program");
        assert!(problem.detail.contains(part), "{}", problem.detail);
    }
    let foreign = add_program(&other, says(1, beyond, "")).await.unwrap();
    assert_eq!(refused(&consumer, &request(echo, foreign, input)).await.status, 404);
    let wallet = consumer.client.wallet().await.unwrap();
    assert_eq!(wallet.held, medusa_types::Credits::ZERO);
}

#[tokio::test]
async fn a_splitter_that_never_ends_is_stopped() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let echo = add_program(&consumer, echo()).await.unwrap();
    let endless = guest(r#"(func (export "_start") (loop $on (br $on)))"#);
    let endless = add_program(&consumer, endless).await.unwrap();
    let problem = refused(&consumer, &request(echo, endless, None)).await;
    assert_eq!(problem.code, "jobs.splitter_failed");
    let said = "longer than the server gives a splitter (30 s): let it only look for";
    assert!(problem.detail.contains(said), "{}", problem.detail);
}

#[tokio::test]
async fn chunks_that_a_program_makes_of_nothing_are_computed_and_go_with_the_files_of_the_job() {
    let mut house = House::open().await;
    house.kill9();
    house.settings =
        vec![("MEDUSA_FILES_SWEEP_S", "1".into()), ("MEDUSA_FILES_ASIDE_S", "0".into())];
    house.restart().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let echo = add_program(&consumer, echo()).await.unwrap();
    // Makes the files `b` and `a` with their own names in them.
    let maker = guest(
        r#"(data (i32.const 8192) "b") (data (i32.const 8200) "a")
        (func $make (param $name i32) (local $fd i32)
            (local.set $fd (i32.const 3))
            (loop $next
                (if (i32.eqz (call $path_open (local.get $fd) (i32.const 0) (local.get $name)
                    (i32.const 1) (i32.const 9) (i64.const 64) (i64.const 0) (i32.const 0)
                    (i32.const 32))) (then
                        (call $write (i32.load (i32.const 32)) (local.get $name) (i32.const 1))
                        (return)))
                (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $fd) (i32.const 8))))
            (call $exit (i32.const 9)))
        (func (export "_start")
            (call $make (i32.const 8192)) (call $make (i32.const 8200)))"#,
    );
    let maker = add_program(&consumer, maker).await.unwrap();
    let quote = consumer.client.quote(&request(echo, maker, None)).await.unwrap();
    // What a quote stands on stays while it holds, however often the house looks.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let submit = JobSubmit::of(quote.id);
    let job = consumer.client.submit_job(&submit, operation_id()).await.unwrap();
    let pieces = agreed_plan(&house, &consumer, job.id).await;
    let pieces = pieces["pieces"]["sha256"].as_str().unwrap();
    let is_stored = || house.stored_files().iter().any(|path| path.contains(pieces));
    let job = ended(&consumer, job.id).await;
    assert_eq!((job.state, job.counts.total), (JobState::Done, 2), "{:?}", job.reason);
    let found = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    assert_eq!(found, b"ab");
    assert!(is_stored());
    consumer.client.delete_files(job.id, operation_id()).await.unwrap();
    until("the pieces are gone", async || (!is_stored()).then_some(())).await;
}

/// Chooses in a list, or writes into a field, as a person does.
async fn set(browser: &Browser, css: &str, value: &str) {
    let value = serde_json::to_string(value).unwrap();
    let script = format!(
        "const field = document.querySelector('{css}'); field.value = {value}; \
         field.dispatchEvent(new Event('input', {{ bubbles: true }}));"
    );
    browser.js(&script).await;
}

/// The specification that the page has now.
async fn spec(browser: &Browser) -> Value {
    let text = browser.js("return document.querySelector('#spec').value").await;
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn splitter_and_merger_are_chosen_on_the_page() {
    let house = House::open().await;
    let Some(browser) = Browser::open(&house).await else { return };
    let carla = house.person("carla").await;
    let merger = add_program(&carla, joiner()).await.unwrap().to_string();
    let folder = Folder::new();
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    browser.log_in(&carla).await;
    browser.goto("/app/jobs/new").await;
    browser.click("label.choice:has(input[value='upload'])").await;
    let full = |name: &str| {
        format!("document.querySelector('[data-drop={name}]').classList.contains('full')")
    };
    browser.fill("#program-file", &file("words.wasm", example_file("words/words.wasm"))).await;
    browser.until(&full("program")).await;
    browser.fill("#input-file", &file("book.txt", persuasion())).await;
    browser.until(&full("input")).await;
    set(&browser, "#by", "program").await;
    browser.until("document.querySelector('#ask').disabled").await;
    let splitter = file("chapters.wasm", example_file("chapters/chapters.wasm"));
    browser.fill("#splitter-file", &splitter).await;
    browser.until(&full("splitter")).await;
    set(&browser, "#merger", &merger).await;
    set(&browser, "#merge-args", "--quick\nx").await;
    set(&browser, "#fan_in", "4").await;
    let made = spec(&browser).await;
    assert_eq!(made["split"]["by"], "program");
    assert!(made["split"]["program"].as_str().unwrap().starts_with("prg_"), "{made}");
    let by = serde_json::json!({"program": merger, "args": ["--quick", "x"], "fan_in": 4});
    assert_eq!(made["merge_by"], by);

    // What is typed as JSON is what the form shows.
    let mut typed = made.clone();
    typed["merge_by"]["fan_in"] = 7.into();
    typed["split"]["args"] = serde_json::json!(["--wrong"]);
    set(&browser, "#spec", &typed.to_string()).await;
    assert_eq!(browser.js("return document.querySelector('#fan_in').value").await, "7");
    browser.until("!document.querySelector('#ask').disabled").await;
    browser.click("#ask").await;
    browser.until("!document.querySelector('#refused').hidden").await;
    let wrong = "return document.querySelector('[data-wrong=\"/split\"]').textContent";
    let wrong = browser.js(wrong).await;
    assert!(wrong.as_str().unwrap().contains("usage: chapters"), "{wrong}");

    set(&browser, "#split-args", "").await;
    set(&browser, "#merger", "").await;
    assert_eq!(spec(&browser).await.get("merge_by"), None);
    browser.click("#ask").await;
    browser.until("!document.querySelector('#run').hidden").await;
    let quote = browser.js("return document.querySelector('#quote').innerText").await;
    assert!(quote.as_str().unwrap().contains("25 chunks of "), "{quote}");
    assert!(browser.errors().await.iter().all(|line| line.contains("422")));
    if let Some(place) = std::env::var_os("MEDUSA_PICTURES") {
        browser.js("document.querySelector('#by').scrollIntoView({ behavior: 'instant' })").await;
        std::fs::write(place, browser.picture().await).unwrap();
    }
    browser.be_narrow(360).await;
    let width = "return document.documentElement.scrollWidth";
    assert!(browser.js(width).await.as_u64().unwrap() <= 360, "it has to be scrolled to the side");
}
