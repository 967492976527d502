//! Uploads, programs and the gallery.

use medusa_api::{BlobInfo, Example, InputPreview, Program, ProgramUpload};
use medusa_eventlog::{NewEvent, Operation};
use medusa_events::Fact;
use medusa_platform::blob::BlobError;
use medusa_types::{ProgramId, Sha256Hash, UserId, Uuid};

use crate::error::JobsError;
use crate::{split, start, store};

use super::Jobs;

/// A program larger than this is refused before it is read.
const PROGRAM_BYTES_MAX: u64 = 128 * 1024 * 1024;

impl Jobs {
    /// Stores an upload and notes whose it is.
    ///
    /// # Errors
    /// [`JobsError::Blob`]; nothing is kept then.
    pub(crate) async fn upload<S, E>(
        &self,
        user: UserId,
        body: S,
        announced: Option<Sha256Hash>,
        length: Option<u64>,
    ) -> Result<BlobInfo, JobsError>
    where
        S: futures_util::Stream<Item = Result<bytes::Bytes, E>> + Unpin,
    {
        let parts = &self.parts;
        let limit = parts.config.blob_bytes_max;
        if length.is_some_and(|length| length > limit) {
            return Err(JobsError::Blob(BlobError::TooLarge(limit)));
        }
        let (sha256, size) = parts.blobs.put_stream(&parts.random, body, limit, announced).await?;
        if length.is_some_and(|length| length != size) {
            return Err(JobsError::Blob(BlobError::Cut));
        }
        let mut db = parts.log.pool().acquire().await?;
        store::blob::own(&mut db, sha256, user, size, parts.clock.now()).await?;
        Ok(BlobInfo { sha256, size })
    }

    /// The length of a blob that this person may read.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn owned_size(
        &self,
        user: UserId,
        hash: Sha256Hash,
    ) -> Result<u64, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        match store::blob::owned_size(&mut db, hash, user).await? {
            Some(size) => Ok(size),
            None if store::blob::is_example_input(&mut db, hash).await? => {
                Ok(self.parts.blobs.size(hash).await?)
            }
            None => Err(JobsError::Missing("blob")),
        }
    }

    /// What a blob looks like.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn preview(
        &self,
        user: UserId,
        hash: Sha256Hash,
    ) -> Result<InputPreview, JobsError> {
        let size = self.owned_size(user, hash).await?;
        let in_words = split::describe(&self.parts.blobs, hash).await?;
        Ok(InputPreview { blob: BlobInfo { sha256: hash, size }, in_words })
    }

    /// Makes an uploaded blob a program, after inspection. The same bytes under the same name are
    /// the program that is there already.
    ///
    /// # Errors
    /// [`JobsError::Elsewhere`] names what is wrong with the module.
    pub async fn add_program(
        &self,
        user: UserId,
        key: &str,
        upload: ProgramUpload,
        public: bool,
    ) -> Result<Program, JobsError> {
        let name_ok = (1..=100).contains(&upload.name.chars().count());
        if !name_ok || upload.name.chars().any(char::is_control) {
            let spec = medusa_api::SpecError {
                pointer: "/name",
                message: "a name has 1 to 100 characters without control characters",
            };
            return Err(JobsError::Spec(vec![spec]));
        }
        let parts = &self.parts;
        let mut db = parts.log.pool().acquire().await?;
        let size = store::blob::owned_size(&mut db, upload.sha256, user).await?;
        drop(db);
        let size = size.ok_or(JobsError::Missing("blob"))?;
        if size > PROGRAM_BYTES_MAX {
            return Err(JobsError::Blob(BlobError::TooLarge(PROGRAM_BYTES_MAX)));
        }
        let id = ProgramId(derive(user, "program", key));
        let program = match self.known(user, id, &upload, public).await? {
            Some(known) => known,
            None => self.new_program(user, (id, size), &upload, public).await?,
        };
        let id = program.id;
        let fact = Fact::ProgramAdded { program: id, owner: user, sha256: upload.sha256, size };
        let request = start::json_hash(&(user, upload.sha256, size))?;
        // Of a program that is known this repeats what is in the log, and says where.
        let operation = Operation::house(format!("program:{id}"), request);
        let event = NewEvent::new(format!("program-{id}"), fact).by(user);
        parts.log.append_one(Some(operation), event).await?;
        Ok(program)
    }

    async fn known(
        &self,
        user: UserId,
        id: ProgramId,
        upload: &ProgramUpload,
        public: bool,
    ) -> Result<Option<Program>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::program::same(&mut db, (user, id), upload, public).await
    }

    async fn new_program(
        &self,
        user: UserId,
        (id, size): (ProgramId, u64),
        upload: &ProgramUpload,
        public: bool,
    ) -> Result<Program, JobsError> {
        let program = Program {
            id,
            name: upload.name.clone(),
            sha256: upload.sha256,
            size,
            script: None,
            created_at: self.parts.clock.now(),
        };
        let program = self.inspected(user, program, upload, public).await?;
        let mut db = self.parts.log.pool().begin().await?;
        store::lock_programs(&mut db, user).await?;
        // The same may have been added while this one was looked at.
        if let Some(known) = store::program::same(&mut db, (user, id), upload, public).await? {
            return Ok(known);
        }
        store::program::insert(&mut db, user, &program, public).await?;
        db.commit().await?;
        Ok(program)
    }

    /// The program, after everything that can be found out about it without its input. The
    /// house's own are not tried: they are known to run.
    async fn inspected(
        &self,
        user: UserId,
        program: Program,
        upload: &ProgramUpload,
        is_house: bool,
    ) -> Result<Program, JobsError> {
        let _turn = if is_house { None } else { Some(self.wait_for_sample_turn(user).await?) };
        if let Some(runtime) = &upload.runtime {
            return self.script(program, upload, runtime, is_house).await;
        }
        let wasm = self.parts.blobs.get(upload.sha256).await?;
        self.parts.runner.inspect(wasm).await?;
        if !is_house {
            self.try_module(upload.sha256).await?;
        }
        Ok(program)
    }

    /// A person's programs, newest first.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn programs(&self, user: UserId) -> Result<Vec<Program>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::program::of_owner(&mut db, user).await
    }

    /// The gallery.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn examples(&self) -> Result<Vec<Example>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::program::examples(&mut db).await
    }

    /// Puts a ready-made job into the gallery: its files become blobs, its program is inspected.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub async fn put_example(&self, house: UserId, new: NewExample) -> Result<(), JobsError> {
        let parts = &self.parts;
        let mut input = None;
        let program = self.keep(house, new.program).await?;
        if let Some(bytes) = new.input {
            input = Some(self.keep(house, bytes).await?);
        }
        let name = new.spec.name.clone();
        let upload = ProgramUpload { sha256: program, name, runtime: new.runtime };
        let module = match &upload.runtime {
            None => program,
            Some(name) => self.runtime_module(name).await?,
        };
        let key = format!("{}:{program}:{module}", new.id);
        let added = self.add_program(house, &key, upload, true).await?;
        let example =
            Example { id: new.id, about: new.about, program: added.id, input, spec: new.spec };
        let mut db = parts.log.pool().acquire().await?;
        store::program::put_example(&mut db, &example).await
    }

    async fn keep(&self, owner: UserId, bytes: bytes::Bytes) -> Result<Sha256Hash, JobsError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let hash = self.parts.blobs.put(bytes).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        store::blob::own(&mut db, hash, owner, size, self.parts.clock.now()).await?;
        Ok(hash)
    }
}

/// A ready-made job with its files.
pub struct NewExample {
    /// Its folder in `examples/`.
    pub id: String,
    /// What it does, one sentence.
    pub about: String,
    /// The module, or the script.
    pub program: bytes::Bytes,
    /// The runtime that runs the script.
    pub runtime: Option<String>,
    /// The input.
    pub input: Option<bytes::Bytes>,
    /// Everything else.
    pub spec: medusa_api::JobSpec,
}

/// An id that is always the same for a person, a purpose and a key: a repeated request finds what
/// the first one made.
fn derive(user: UserId, purpose: &str, key: &str) -> Uuid {
    Uuid::new_v5(&user.0, format!("{purpose}:{key}").as_bytes())
}
