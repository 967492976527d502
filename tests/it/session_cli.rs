//! Sessions from the shell: the guests of `examples/session` answer what their references say, and
//! one learns digits.

use medusa_api::{Session, SessionState};
use medusa_types::Sha256Hash;
use serde_json::Value;

use crate::harness::{
    Folder, House, Person, RealAgent, broken_invariants, checkout, example_file, medusa,
};

/// A house with a consumer, and two lenders with a machine each.
async fn market() -> (House, Person, [RealAgent; 2]) {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    (house, consumer, agents)
}

/// Runs a guest from its start, in the consumer's folder; what was printed at its end.
async fn run((house, person): (&House, &Person), folder: &Folder, name: &str, rest: &str) -> Value {
    let example = checkout().join("examples/session").join(name);
    let example = example.display();
    let line = format!("session run {example}/{name}.wasm --budget 5 {rest}");
    let line = line.replace("HERE", &example.to_string());
    let (status, told) = medusa(house, person, folder, &line).await;
    assert_eq!(status, 0, "{line}: {told}");
    told
}

fn metric(told: &Value, name: &str) -> Vec<f64> {
    let numbers = told["metrics"][name].as_array().expect("it is measured");
    numbers.iter().map(|number| number.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn digits_are_learned_from_the_shell() {
    let (house, carla, _agents) = market().await;
    let folder = Folder::new();
    let data = "--input HERE/digits.f32 --split by=bytes,bytes=233740";
    let learn = "--rounds 200 --in HERE/start.f64 --reduce sum --feedback -0.1 --next weights.f64";
    let told = run((&house, &carla), &folder, "digits", &format!("{data} {learn}")).await;
    let (loss, accuracy) = (metric(&told, "loss"), metric(&told, "accuracy"));
    assert_eq!((loss.len(), accuracy.len()), (2, 2), "one of each shard");
    assert!(accuracy.iter().all(|accuracy| *accuracy > 0.85), "{accuracy:?}");
    assert_eq!(told["rounds"], 200);
    assert!(told["per_second"].as_f64() > Some(0.0) && told["p50_ms"].as_f64() > Some(0.0));
    let session: Session = serde_json::from_value(told["session"].clone()).unwrap();
    assert_eq!((session.state, session.rounds), (SessionState::Done, 200));
    assert!(session.spent.is_positive() && session.spent < session.held);

    // What was learned can be gone on with.
    let more =
        run((&house, &carla), &folder, "digits", &format!("{data} --in weights.f64 --reduce sum"))
            .await;
    assert!(metric(&more, "loss").iter().zip(&loss).all(|(now, before)| now < before));
    let (_, listed) = medusa(&house, &carla, &folder, "session ls").await;
    let listed: Vec<Session> = serde_json::from_value(listed).unwrap();
    assert_eq!(listed.iter().map(|session| session.rounds).collect::<Vec<_>>(), [1, 200]);
    let show = format!("session show {}", session.id);
    assert_eq!(medusa(&house, &carla, &folder, &show).await.1["id"], session.id.to_string());
    assert_eq!(broken_invariants(&house).await, Vec::<&str>::new());
}

#[tokio::test]
async fn every_guest_answers_what_its_reference_says() {
    let (house, carla, _agents) = market().await;
    let folder = Folder::new();
    let start = "--in HERE/start.f64 --out answer";
    for (name, rest) in [
        ("digits", "-i HERE/digits.f32 --split by=bytes,bytes=233740 --rounds 3 --feedback -0.5"),
        (
            "digits-net",
            "-i HERE/../digits/digits.f32 --split by=bytes,bytes=233740 --rounds 2 --feedback -0.5",
        ),
        ("kmeans", "-i HERE/photo.rgb --split by=bytes,bytes=102720 --rounds 10 --carry"),
        ("pagerank", "-i HERE/graph.txt --split by=lines,lines=39 --rounds 50 --carry"),
    ] {
        run((&house, &carla), &folder, name, &format!("{rest} --reduce sum {start}")).await;
        let answer = std::fs::read(folder.path().join("answer")).unwrap();
        let found: Vec<f64> =
            answer.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let known = example_file(&format!("session/{name}/expected/answer.txt"));
        let known = String::from_utf8(known).unwrap();
        let known: Vec<f64> = known.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((answer.len() % 8, found.len()), (0, known.len()), "{name}");
        let largest = known.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
        for (at, (found, known)) in found.iter().zip(&known).enumerate() {
            assert!((found - known).abs() <= 1e-9 * largest, "{name} {at}: {found}, not {known}");
        }
    }

    let tiles = "-i HERE/../../cells/cells.png --split by=tiles,width=512,height=256,overlap=72";
    let told = run((&house, &carla), &folder, "threshold", &format!("{tiles} {start}")).await;
    let cells: f64 = metric(&told, "cells").iter().sum();
    let mask = Sha256Hash::of(&std::fs::read(folder.path().join("answer")).unwrap());
    let known = example_file("session/threshold/expected/answer.sha256");
    let known = String::from_utf8(known).unwrap();
    assert_eq!(format!("{mask}  mask, {cells} cells\n"), known);
}
