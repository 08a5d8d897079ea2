//! Runs one call in an EVM, under the rules of the latest mainnet fork that revm supports.

use crate::Error;
use revm::{
    context::{result::ExecutionResult, TxEnv},
    database::{CacheDB, EmptyDB},
    primitives::{Address, Bytes, TxKind},
    state::{AccountInfo, Bytecode},
    Context, ExecuteEvm, MainBuilder, MainContext,
};

/// Gas limit of a run: the maximum of a mainnet transaction (EIP-7825).
const GAS_LIMIT: u64 = 1 << 24;
/// Largest runtime code that can be deployed (EIP-170).
pub(crate) const CODE_LIMIT: usize = 24_576;
/// Size in bytes of a pairing's input: two points of each group.
const PAIRING_INPUT: usize = 384;
/// Size in bytes of a point with its factor, which follow when our verifier defers the pairing.
const FACTOR_INPUT: usize = 96;
/// Code that multiplies and adds: with calldata `A ‖ K ‖ s` it returns `A + s·K`. CALLDATACOPY of all, STATICCALL of 7 on
/// the last 96 bytes to where they start, STATICCALL of 6 on the first 128, RETURN of 64.
const MULTIPLY_ADD_CODE: [u8; 32] = [
    0x36, 0x5f, 0x5f, 0x37, 0x60, 0x40, 0x60, 0x40, 0x60, 0x60, 0x60, 0x40, 0x60, 0x07, 0x5a, 0xfa, 0x60, 0x40, 0x5f,
    0x60, 0x80, 0x5f, 0x60, 0x06, 0x5a, 0xfa, 0x16, 0x60, 0x40, 0x02, 0x5f, 0xf3,
];
/// Code that returns the pairing precompile's output on its calldata: CALLDATACOPY, STATICCALL of 8, RETURN.
const PAIRING_CODE: [u8; 22] = [
    0x36, 0x5f, 0x5f, 0x37, 0x60, 0x20, 0x5f, 0x36, 0x5f, 0x60, 0x08, 0x5a, 0xfa, 0x5f, 0x51, 0x16, 0x5f, 0x52, 0x60,
    0x20, 0x5f, 0xf3,
];
const VERIFIER: Address = Address::repeat_byte(0x42);
const CALLER: Address = Address::repeat_byte(0x11);
/// Intrinsic gas of a transaction.
const TX_GAS: u64 = 21_000;
/// Intrinsic gas of a zero byte and of another byte of calldata (EIP-2028).
const BYTE_GAS: (u64, u64) = (4, 16);

/// Outcome of a verifier call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// Gas of the verifier's own execution, which a calling contract has to forward.
    pub execution_gas: u64,
    /// True when the verifier accepted.
    pub success: bool,
    /// Return or revert data.
    pub output: Vec<u8>,
}

/// Calls runtime code with `calldata`.
///
/// # Errors
/// If there is no code or the EVM refuses to start. A refused proof is not an error but a report with
/// `success == false`.
pub fn run(runtime: &[u8], calldata: &[u8]) -> Result<RunReport, Error> {
    if runtime.is_empty() {
        return Err(Error::NoCode);
    }
    let mut db = CacheDB::new(EmptyDB::default());
    let code = Bytecode::new_raw(Bytes::copy_from_slice(runtime));
    db.insert_account_info(VERIFIER, AccountInfo::from_bytecode(code));
    let result = transact(db, TxKind::Call(VERIFIER), calldata, CODE_LIMIT)?;

    let (zero, other) = BYTE_GAS;
    let bytes: u64 = calldata.iter().map(|b| if *b == 0 { zero } else { other }).sum();
    let gas = result.gas();
    let execution_gas = gas.total_gas_spent().saturating_sub(TX_GAS + bytes);
    let success = result.is_success();
    let output = result.into_output().unwrap_or_default().to_vec();
    Ok(RunReport { execution_gas, success, output })
}

/// Checks a proof by our verifier's deferred mode: calls it with `calldata` and one extra byte, then does what it leaves
/// to its caller.
///
/// # Errors
/// As [`run`].
pub fn run_deferred(runtime: &[u8], calldata: &[u8]) -> Result<bool, Error> {
    let report = run(runtime, &[calldata, &[0]].concat())?;
    if report.success || report.output.len() <= PAIRING_INPUT {
        return Ok(false);
    }
    let (pairing, factors) = report.output.split_at(PAIRING_INPUT);
    let (first, rest) = pairing.split_at(64);
    let mut sum = first.to_vec();
    for factor in factors.chunks(FACTOR_INPUT) {
        sum = run(&MULTIPLY_ADD_CODE, &[&sum, factor].concat())?.output;
    }
    Ok(run(&PAIRING_CODE, &[&sum, rest].concat())?.output.last() == Some(&1))
}

/// Runs creation code and returns the runtime code that it deploys.
///
/// # Errors
/// If the deployment fails.
pub fn deploy(creation: &[u8]) -> Result<Vec<u8>, Error> {
    deploy_within(creation, CODE_LIMIT)
}

/// As [`deploy`], on a chain without a code size limit.
pub(crate) fn deploy_of_any_size(creation: &[u8]) -> Result<Vec<u8>, Error> {
    deploy_within(creation, usize::MAX / 2)
}

fn deploy_within(creation: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let db = CacheDB::new(EmptyDB::default());
    let result = transact(db, TxKind::Create, creation, limit)?;
    let gas = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, .. } => {
            let code = output.into_data().to_vec();
            if code.is_empty() {
                return Err(Error::Deployment { gas, reason: "no code left behind".into() });
            }
            Ok(code)
        }
        ExecutionResult::Revert { .. } => Err(Error::Deployment { gas, reason: "reverted".into() }),
        ExecutionResult::Halt { reason, .. } => Err(Error::Deployment { gas, reason: format!("{reason:?}") }),
    }
}

fn transact(db: CacheDB<EmptyDB>, kind: TxKind, data: &[u8], code_limit: usize) -> Result<ExecutionResult, Error> {
    let refused = |reason: String| Error::Evm { reason };
    let tx = TxEnv::builder()
        .caller(CALLER)
        .kind(kind)
        .gas_limit(GAS_LIMIT)
        .gas_price(0)
        .data(Bytes::copy_from_slice(data))
        .build()
        .map_err(|e| refused(format!("{e:?}")))?;
    let mut evm = Context::mainnet()
        .with_db(db)
        .modify_cfg_chained(|cfg| cfg.limit_contract_code_size = Some(code_limit))
        .build_mainnet();
    let outcome = evm.transact(tx).map_err(|e| refused(format!("{e:?}")))?;
    Ok(outcome.result)
}
