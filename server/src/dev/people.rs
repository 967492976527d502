//! The people of the demonstration: a consumer, an admin and two lenders, with passwords that are
//! drawn once and kept in `.medusa/demo.json`.

use std::fs;

use anyhow::{Context as _, Result};
use medusa_api::{Login, SignUp};
use medusa_client::{Client, ClientError, Session};
use medusa_platform::Random;
use serde::{Deserialize, Serialize};

use super::home::Home;

/// Characters of a password: 96 random bits, and still possible to type.
const PASSWORD_CHARS: usize = 16;

/// Somebody who can log in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) password: String,
}

/// Everybody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct People {
    pub(super) consumer: Person,
    pub(super) admin: Person,
    pub(super) lenders: [Person; 2],
}

impl Person {
    fn new(name: &str, address: &str) -> Self {
        let password = Random::system().token().chars().take(PASSWORD_CHARS).collect();
        Self { name: name.to_owned(), email: format!("{address}@demo.example"), password }
    }

    /// A client that acts as this person, who signs up if need be.
    pub(super) async fn client(&self, anybody: &Client) -> Result<Client> {
        let login = Login { email: self.email.clone(), password: self.password.clone() };
        let tokens = match anybody.login(&login).await {
            Err(ClientError::Problem(refusal)) if refusal.status == 401 => {
                let person = SignUp {
                    email: self.email.clone(),
                    password: self.password.clone(),
                    name: self.name.clone(),
                };
                anybody.signup(&person).await
            }
            other => other,
        };
        let tokens = tokens.with_context(|| format!("{} could not log in", self.email))?;
        Ok(anybody.clone().with_session(Some(Session::begin(tokens))))
    }
}

impl People {
    /// Those of the last start, or new ones. They are kept before they sign up, so that a start
    /// that is cut short locks nobody out.
    pub(super) fn of(home: &Home) -> Result<Self> {
        let path = home.path("demo.json");
        if let Ok(text) = fs::read(&path) {
            return serde_json::from_slice(&text)
                .with_context(|| format!("{} cannot be read; start with --reset", path.display()));
        }
        let people = Self {
            consumer: Person::new("Carla Consumer", "consumer"),
            admin: Person::new("Ada Admin", "admin"),
            lenders: [Person::new("Lena Lender", "lena"), Person::new("Luis Lender", "luis")],
        };
        Home::write_private(&path, &serde_json::to_vec_pretty(&people)?)?;
        Ok(people)
    }
}
