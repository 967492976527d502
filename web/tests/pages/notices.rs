//! The page of notices: what it says, and what its forms do.

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, read_body};

use crate::made_up::{CSRF, PERSON};
use crate::made_up_notices::WEBHOOK;
use crate::{get, header, visit};

async fn send(fields: &[(&str, &str)]) -> (StatusCode, String, String) {
    let request = TestRequest::post().uri("/app/notices").set_form(fields);
    let answer = visit(request, Some(PERSON)).await;
    let (status, to) = (answer.status(), header(&answer, "location"));
    (status, to, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn it_shows_where_one_is_told_and_what_was_told() {
    let (status, html) = get("/app/notices", Some(PERSON)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("https://lab.example/&#60;hook&#62;"), "{html}");
    assert!(html.contains("nothing arrives since") && html.contains("2 tries"));
    assert!(html.contains("href=\"/app/events/1204\">A job is done</a>"));
}

#[actix_web::test]
async fn a_new_secret_is_shown_once_and_a_bad_address_comes_back_with_words() {
    let (status, _, html) =
        send(&[("csrf", CSRF), ("act", "add"), ("url", "https://a.example")]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("whsec_c2VjcmV0"));
    let (_, html_after) = get("/app/notices", Some(PERSON)).await;
    assert!(!html_after.contains("whsec_"));
    let (status, _, html) = send(&[("csrf", CSRF), ("act", "add"), ("url", "http://a\"b")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html.contains("Deliveries go to https:// only") && html.contains("http://a&#34;b"));
}

#[actix_web::test]
async fn its_buttons_go_back_to_it_and_need_the_form() {
    let id = WEBHOOK.to_string();
    for act in ["mail", "no-mail", "test", "remove"] {
        let (status, to, _) = send(&[("csrf", CSRF), ("act", act), ("webhook", &id)]).await;
        assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/app/notices"), "{act}");
        let (status, _, _) = send(&[("csrf", "another"), ("act", act), ("webhook", &id)]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{act}");
    }
    let (status, _, _) = send(&[("csrf", CSRF), ("act", "test"), ("webhook", "nonsense")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
