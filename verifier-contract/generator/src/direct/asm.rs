//! A small EVM assembler: straight-line code that knows its stack height, labels, and a data section after the code.

/// An opcode and its effect on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    code: u8,
    pops: usize,
    pushes: usize,
}

macro_rules! opcodes {
    ($($name:ident = $code:literal, $pops:literal => $pushes:literal;)*) => {
        $(pub(super) const $name: Op = Op { code: $code, pops: $pops, pushes: $pushes };)*
    };
}

opcodes! {
    STOP = 0x00, 0 => 0;
    ADD = 0x01, 2 => 1;
    SUB = 0x03, 2 => 1;
    MOD = 0x06, 2 => 1;
    ADDMOD = 0x08, 3 => 1;
    MULMOD = 0x09, 3 => 1;
    LT = 0x10, 2 => 1;
    GT = 0x11, 2 => 1;
    EQ = 0x14, 2 => 1;
    ISZERO = 0x15, 1 => 1;
    AND = 0x16, 2 => 1;
    KECCAK256 = 0x20, 2 => 1;
    CALLDATALOAD = 0x35, 1 => 1;
    CALLDATASIZE = 0x36, 0 => 1;
    CALLDATACOPY = 0x37, 3 => 0;
    CODECOPY = 0x39, 3 => 0;
    POP = 0x50, 1 => 0;
    MLOAD = 0x51, 1 => 1;
    MSTORE = 0x52, 2 => 0;
    MSTORE8 = 0x53, 2 => 0;
    JUMPI = 0x57, 2 => 0;
    GAS = 0x5a, 0 => 1;
    STATICCALL = 0xfa, 6 => 1;
    RETURN = 0xf3, 2 => 0;
    REVERT = 0xfd, 2 => 0;
}

const JUMPDEST: u8 = 0x5b;
/// `PUSH0`; `PUSHn` is this plus n.
const PUSH: u8 = 0x5f;
/// `DUPn` is this plus n.
const DUP: u8 = 0x7f;
/// `SWAPn` is this plus n.
const SWAP: u8 = 0x8f;
/// Deepest stack item that `DUP` reaches.
pub(super) const REACH: usize = 16;

/// A place in the code to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A place in the data section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data(usize);

#[derive(Debug)]
enum Item {
    Bytes(Vec<u8>),
    Place(Label),
    PushLabel(Label),
    PushData(Data),
}

/// Code under construction.
#[derive(Debug, Default)]
pub(super) struct Asm {
    items: Vec<Item>,
    data: Vec<u8>,
    labels: usize,
    height: usize,
}

impl Asm {
    /// Number of items on the stack.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    fn grow(&mut self, pops: usize, pushes: usize) {
        assert!(pops <= self.height, "code takes {pops} of {} stack items", self.height);
        self.height = self.height - pops + pushes;
    }

    fn byte(&mut self, byte: u8) {
        match self.items.last_mut() {
            Some(Item::Bytes(bytes)) => bytes.push(byte),
            _ => self.items.push(Item::Bytes(vec![byte])),
        }
    }

    pub(super) fn op(&mut self, op: Op) {
        self.grow(op.pops, op.pushes);
        self.byte(op.code);
    }

    pub(super) fn ops(&mut self, ops: &[Op]) {
        ops.iter().for_each(|op| self.op(*op));
    }

    /// Pushes a big-endian number with as few bytes as possible.
    pub(super) fn push_word(&mut self, word: &[u8; 32]) {
        let zeros = word.iter().take_while(|b| **b == 0).count();
        self.grow(0, 1);
        self.byte(PUSH + (32 - zeros) as u8);
        word[zeros..].iter().for_each(|b| self.byte(*b));
    }

    pub(super) fn push(&mut self, number: usize) {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&(number as u64).to_be_bytes());
        self.push_word(&word);
    }

    /// Duplicates the item that was pushed when the stack had `position` items.
    pub(super) fn dup_at(&mut self, position: usize) {
        let depth = self.height - position;
        assert!((1..=REACH).contains(&depth), "stack item {depth} deep is out of reach");
        self.grow(0, 1);
        self.byte(DUP + depth as u8);
    }

    /// True when [`dup_at`](Self::dup_at) can duplicate the item at `position`.
    pub(super) fn reaches(&self, position: usize) -> bool {
        self.height - position <= REACH
    }

    /// Duplicates the `depth`-th item from the top, 1 being the top.
    pub(super) fn dup(&mut self, depth: usize) {
        self.dup_at(self.height - depth);
    }

    /// Swaps the top with the item below it.
    pub(super) fn swap(&mut self) {
        self.grow(2, 2);
        self.byte(SWAP + 1);
    }

    /// Pops the top and stores it in place of the item `depth` below it.
    pub(super) fn replace(&mut self, depth: usize) {
        assert!((1..=REACH).contains(&depth), "stack item {depth} deep is out of reach");
        self.grow(depth + 1, depth + 1);
        self.byte(SWAP + depth as u8);
        self.op(POP);
    }

    /// Jumps to `label` unless the top, which stays, is `end`.
    pub(super) fn loop_unless(&mut self, end: usize, label: Label) {
        self.dup(1);
        self.push(end);
        self.op(SUB);
        self.jump_if(label);
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// A jump destination.
    pub(super) fn place(&mut self, label: Label) {
        self.items.push(Item::Place(label));
    }

    /// Pops the top and jumps to `label` unless it is zero.
    pub(super) fn jump_if(&mut self, label: Label) {
        self.grow(0, 1);
        self.items.push(Item::PushLabel(label));
        self.op(JUMPI);
    }

    /// Adds bytes to the data section.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Data {
        let at = self.data.len();
        self.data.extend_from_slice(bytes);
        Data(at)
    }

    /// Copies `size` bytes of the data section to memory.
    pub(super) fn data_copy(&mut self, to: usize, from: Data, size: usize) {
        self.push(size);
        self.grow(0, 1);
        self.items.push(Item::PushData(from));
        self.push(to);
        self.op(CODECOPY);
    }

    /// Copies `size` bytes of calldata to memory.
    pub(super) fn calldata_copy(&mut self, to: usize, from: usize, size: usize) {
        self.push(size);
        self.push(from);
        self.push(to);
        self.op(CALLDATACOPY);
    }

    /// Stores the top at an address.
    pub(super) fn store(&mut self, address: usize) {
        self.push(address);
        self.op(MSTORE);
    }

    pub(super) fn load(&mut self, address: usize) {
        self.push(address);
        self.op(MLOAD);
    }

    pub(super) fn load_calldata(&mut self, offset: usize) {
        self.push(offset);
        self.op(CALLDATALOAD);
    }

    /// The code, then its data. `None` when an offset does not fit into two bytes.
    pub(super) fn assemble(&self) -> Option<Vec<u8>> {
        let mut places = vec![0usize; self.labels];
        let mut size = 0;
        for item in &self.items {
            match item {
                Item::Bytes(bytes) => size += bytes.len(),
                Item::Place(label) => {
                    places[label.0] = size;
                    size += 1;
                }
                Item::PushLabel(_) | Item::PushData(_) => size += 3,
            }
        }
        let mut code = Vec::with_capacity(size + self.data.len());
        for item in &self.items {
            let offset = match item {
                Item::Bytes(bytes) => {
                    code.extend_from_slice(bytes);
                    continue;
                }
                Item::Place(_) => {
                    code.push(JUMPDEST);
                    continue;
                }
                Item::PushLabel(label) => places[label.0],
                Item::PushData(data) => size + data.0,
            };
            code.push(PUSH + 2);
            code.extend(u16::try_from(offset).ok()?.to_be_bytes());
        }
        code.extend_from_slice(&self.data);
        Some(code)
    }
}

/// Code that deploys `runtime`.
pub(super) fn creation(runtime: &[u8]) -> Option<Vec<u8>> {
    let mut asm = Asm::default();
    let code = asm.data(runtime);
    asm.data_copy(0, code, runtime.len());
    asm.push(runtime.len());
    asm.push(0);
    asm.op(RETURN);
    asm.assemble()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deploy, run};

    #[test]
    fn deploys_what_it_is_given() {
        let runtime = [0x60, 0x2a, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3];
        assert_eq!(deploy(&creation(&runtime).unwrap()).unwrap(), runtime);
    }

    #[test]
    fn jumps_and_data_land_where_they_should() {
        let mut asm = Asm::default();
        let (end, word) = (asm.label(), asm.data(&[7; 32]));
        asm.push(1);
        asm.jump_if(end);
        asm.ops(&[STOP]);
        asm.place(end);
        asm.data_copy(0, word, 32);
        asm.push(32);
        asm.push(0);
        asm.op(RETURN);
        let report = run(&asm.assemble().unwrap(), &[]).unwrap();
        assert!(report.success);
        assert_eq!(report.output, [7; 32]);
    }

    #[test]
    #[should_panic(expected = "out of reach")]
    fn refuses_to_duplicate_what_is_too_deep() {
        let mut asm = Asm::default();
        (0..17).for_each(|i| asm.push(i));
        asm.dup_at(0);
    }
}
