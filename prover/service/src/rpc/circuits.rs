//! `CircuitService`.

use tonic::{Request, Response, Status};
use tribute_core::id::CircuitId;
use tribute_core::layout::{Layout, Task, MIN_SERVICE_K};
use tribute_core::link::Link;
use tribute_core::statement::Statement;
use tribute_problem::{field, Problem, Result};
use tribute_proto::v1;
use tribute_steps::circuit::CircuitJob;
use tribute_steps::shape::ShapeBody;
use tribute_steps::work::Work;
use tribute_store::artefacts::Artefacts;

use crate::auth::caller;
use crate::registry::Registry;
use crate::rules::admission::{Admission, Admitted};
use crate::wire;

pub(crate) struct CircuitRpc {
    pub(crate) admission: Admission,
    pub(crate) registry: Registry,
    pub(crate) artefacts: Artefacts,
}

impl CircuitRpc {
    fn layout(&self, schema: &[u8], profile: Option<v1::Profile>, link: i32) -> Result<(Layout, Link)> {
        let schema = wire::schema(schema)?;
        let layout = self.admission.profile(profile, &schema)?.layout(&schema)?;
        let link = wire::link(link)?.ok_or_else(|| Problem::field("link", "is missing"))?;
        Ok((layout, link))
    }
}

#[tonic::async_trait]
impl v1::circuit_service_server::CircuitService for CircuitRpc {
    async fn list_circuits(
        &self,
        request: Request<v1::ListCircuitsRequest>,
    ) -> Result<Response<v1::ListCircuitsResponse>, Status> {
        let r = request.into_inner();
        let (layout, link) = self.layout(&r.schema_json, r.profile, r.link)?;
        let mut response = v1::ListCircuitsResponse::default();
        for shape in shapes(&layout, link, r.evaluation) {
            match self.registry.circuit(&shape).await? {
                Some((circuit, gas)) if circuit.srs_digest == self.admission.srs => {
                    response.ready.push(wire::circuit(&circuit, gas))
                }
                // not built yet, or built under an SRS that has since been replaced
                _ => response.missing.push(wire::shape_message(&shape)),
            }
        }
        Ok(Response::new(response))
    }

    async fn prepare_circuits(
        &self,
        request: Request<v1::PrepareCircuitsRequest>,
    ) -> Result<Response<v1::PrepareCircuitsResponse>, Status> {
        let caller = caller(&request)?;
        let r = request.into_inner();
        let (layout, link) = self.layout(&r.schema_json, r.profile, r.link)?;
        if layout.task() == Task::Classes && layout.k() < MIN_SERVICE_K {
            let message = format!(
                "k = {}: an agent version on chain takes a circuit that proves answers, from k = {MIN_SERVICE_K} on. Take a \
                 larger k, and register the datasets anew with it; below it agents are certified off chain only",
                layout.k()
            );
            return Err(Problem::field("profile.k", message).into());
        }
        let work: Vec<Admitted> = shapes(&layout, link, r.evaluation)
            .into_iter()
            .map(|shape| Work::Circuit(CircuitJob { shape }).into())
            .collect();
        let jobs = self.admission.queue_all(caller, &work, None).await?;
        let jobs = wire::jobs_with_outcomes(&self.artefacts, jobs).await?;
        Ok(Response::new(v1::PrepareCircuitsResponse { jobs }))
    }

    async fn get_bytecode(
        &self,
        request: Request<v1::GetBytecodeRequest>,
    ) -> Result<Response<v1::GetBytecodeResponse>, Status> {
        let id: CircuitId = field("circuit_id", &request.into_inner().circuit_id)?;
        let Some((circuit, gas)) = self.registry.circuit_by_id(id).await? else {
            return Err(Problem::not_found("circuit", id).into());
        };
        let creation_code = self.artefacts.get(&circuit.creation).await?;
        Ok(Response::new(v1::GetBytecodeResponse { creation_code, circuit: Some(wire::circuit(&circuit, gas)) }))
    }
}

/// Shapes of the circuits that agents over a layout need, including `evaluation` if asked for. A regression has neither
/// a `service` nor an `evaluation` circuit, because it does not answer with classes.
fn shapes(layout: &Layout, link: Link, evaluation: bool) -> Vec<ShapeBody> {
    let classes = layout.task() == Task::Classes;
    [Statement::Dataset, Statement::Gradient, Statement::Optimum, Statement::Service, Statement::Evaluation]
        .into_iter()
        .filter(|s| match s {
            Statement::Service => classes,
            Statement::Evaluation => classes && evaluation,
            _ => true,
        })
        .map(|s| ShapeBody::of(s, layout, link))
        .collect()
}
