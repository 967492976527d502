//! The examples, from the quote to the known result.

use std::collections::BTreeMap;

use medusa_api::{ChunkState, Example, Job, QuoteRequest, Split, Verdict};
use medusa_types::{Credits, Sha256Hash};

use crate::harness::{
    House, Person, RealAgent, add_up, chunks, ended, example_file, run, settlements,
};

/// A house with a consumer and two lenders, each with a machine.
async fn market() -> (House, Person, [Person; 2], [RealAgent; 2]) {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    (house, consumer, lenders, agents)
}

async fn example(consumer: &Person, id: &str) -> Example {
    let examples = consumer.client.examples().await.unwrap();
    examples.into_iter().find(|example| example.id == id).expect("the example is offered")
}

fn request(example: Example) -> QuoteRequest {
    QuoteRequest { program: example.program, input: example.input, spec: example.spec }
}

/// All results of a job by name; the client checks each against its digest.
async fn results(consumer: &Person, job: &Job) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for file in &job.results {
        let bytes = consumer.client.result(job, &file.name).await.unwrap().unwrap();
        files.insert(file.name.clone(), bytes);
    }
    files
}

/// The digest that a file in `expected/` names.
fn known_digest(path: &str) -> Sha256Hash {
    let text = String::from_utf8(example_file(path)).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// Whether the front page's price of an example with two copies of everything is its bill, but for
/// a twentieth: chunks are paid one by one, each rounded up.
async fn is_told(house: &House, name: &str, bill: Credits) -> bool {
    let url = format!("{}/", house.url);
    let page = house.http().get(url).send().await.unwrap().text().await.unwrap();
    let row = page.split(name).nth(1).expect("the price list has it");
    let told = row.split("data-th=\"Two copies\"><b>").nth(1).unwrap().split('<').next().unwrap();
    let told: Credits = told.parse().unwrap();
    told.micros().abs_diff(bill.micros()) * 20 <= bill.micros().unsigned_abs()
}

/// A picture as raw PPM, which is the same whatever packed the PNG.
fn ppm(png: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    let mut ppm = format!("P6\n{} {}\n255\n", frame.width, frame.height).into_bytes();
    ppm.extend_from_slice(&pixels[..frame.buffer_size()]);
    ppm
}

#[tokio::test]
async fn cells_are_computed_in_tiles_verified_paid_and_put_together_as_from_one_piece() {
    let (house, consumer, [lena, luis], _agents) = market().await;
    let mut cells = example(&consumer, "cells").await;
    let quote = consumer.client.quote(&request(cells.clone())).await.unwrap();
    assert_eq!((quote.split.chunks, quote.agents), (36, 2));
    assert!(quote.low <= quote.likely && quote.likely <= quote.hold);

    let tiled = run(&consumer, &request(cells.clone())).await;
    assert_eq!((tiled.counts.total, tiled.counts.verified), (36, 36));
    for chunk in chunks(&consumer, tiled.id).await {
        assert_eq!((chunk.state, chunk.verdict), (ChunkState::Verified, Some(Verdict::Agreed)));
        assert_eq!(chunk.attempts, 2, "chunk {}", chunk.index);
    }
    assert!(tiled.cost.spent.is_positive() && tiled.cost.spent <= tiled.cost.held);
    assert!(is_told(&house, &tiled.spec.name, tiled.cost.spent).await, "{}", tiled.cost.spent);
    assert_eq!(settlements(&house, tiled.id).await, [1; 36]);
    let found = results(&consumer, &tiled).await;
    assert_eq!(found["cells.csv"], example_file("cells/expected/cells.csv"));
    let picture = known_digest("cells/expected/outlined.ppm.sha256");
    assert_eq!(Sha256Hash::of(&ppm(&found["outlined.png"])), picture);

    cells.spec.split = Split::Tiles { width: 512, height: 512, overlap: 0 };
    let whole = run(&consumer, &request(cells)).await;
    assert_eq!(whole.counts.total, 1);
    assert_eq!(results(&consumer, &whole).await, found, "tiles change nothing");

    add_up(&house, &consumer, &[&lena, &luis], &[tiled.id, whole.id]).await;
    for lender in [&lena, &luis] {
        assert!(lender.client.wallet().await.unwrap().earned_pending > Credits::ZERO);
        let agents = lender.client.agents().await.unwrap();
        assert_eq!((agents.len(), agents[0].chunks, agents[0].streak), (1, 37, 37));
    }
}

#[tokio::test]
async fn words_and_pi_give_their_known_results() {
    let (house, consumer, [lena, luis], _agents) = market().await;
    let words = run(&consumer, &request(example(&consumer, "words").await)).await;
    assert_eq!(words.counts.verified, 6);
    assert!(is_told(&house, &words.spec.name, words.cost.spent).await, "{}", words.cost.spent);
    let table = &results(&consumer, &words).await["words.csv"];
    assert_eq!(Sha256Hash::of(table), known_digest("words/expected/words.csv.sha256"));

    // As few copies as the records of the agents allow.
    let mut pi = example(&consumer, "pi").await;
    pi.spec.copies = 1;
    let pi = run(&consumer, &request(pi)).await;
    assert_eq!((pi.counts.verified, pi.counts.unverified), (64, 0));
    assert_eq!(results(&consumer, &pi).await["pi.csv"], example_file("pi/expected/pi.csv"));
    add_up(&house, &consumer, &[&lena, &luis], &[words.id, pi.id]).await;
}

#[tokio::test]
async fn without_a_second_owner_the_server_checks_every_chunk_before_it_is_paid() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let agents = [house.agent(&lena).await, house.agent(&lena).await];
    let request =
        crate::harness::request(&consumer, crate::harness::echo(), crate::harness::range(4, 2));
    let job = run(&consumer, &request.await).await;
    assert_eq!((job.counts.verified, job.counts.unverified), (4, 0));
    for chunk in chunks(&consumer, job.id).await {
        assert_eq!((chunk.verdict, chunk.attempts), (Some(Verdict::Refereed), 1));
    }
    assert_eq!(results(&consumer, &job).await["out.txt"], b"0 1\n1 1\n2 1\n3 1\n");
    add_up(&house, &consumer, &[&lena], &[job.id]).await;
    drop(agents);
}

#[tokio::test]
async fn a_job_waits_in_words_until_an_agent_of_somebody_else_comes() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let _own = house.agent(&consumer).await;
    let request =
        crate::harness::request(&consumer, crate::harness::echo(), crate::harness::range(2, 1));
    let job = crate::harness::submit(&consumer, &request.await).await.unwrap();
    let waiting = consumer.client.job(job.id).await.unwrap().waiting.unwrap();
    assert!(waiting.contains("only your own"), "{waiting}");
    let _agent = house.agent(&lena).await;
    let job = ended(&consumer, job.id).await;
    assert_eq!(job.counts.done(), 2);
    add_up(&house, &consumer, &[&lena], &[job.id]).await;
}
