//! Counts, inside one function, what its instructions cost.
//!
//! While a function runs, the count is in a local that is added to it; it is written to the
//! module's counter before control may leave the function and read back when it returns. The count
//! is a negative number that rises; from 0 on the limit is reached. It is looked at where a run can
//! go on for long: at each entry and each round of a loop, and before an operator over a length
//! that is not written right before it as a small constant. The places are those of the engine's
//! own metering, so that both count a run alike, to the last unit, unless it traps.
//!
//! A trap loses what was added since the counter was last written. That is also done where the
//! count is looked at, whenever it grew by [`STEP`]: more often would be felt in small loops.

use wasm_encoder::{BlockType, Encode, InstructionSink, ValType};
use wasmparser::{BinaryReaderError, FunctionBody, MemArg, Operator};
use wasmtime::OperatorCost;

use super::OUT;

/// An operator over a constant length is looked at first when it costs more than this.
const SMALL: i64 = 128;

/// The count is written at the first look after it grew by this much: a few microseconds of work.
const STEP: i64 = 8_192;

/// What the code of one function has to know of its module.
pub(super) struct Surroundings<'a> {
    pub(super) costs: &'a OperatorCost,
    /// The index of the counter's global.
    pub(super) counter: u32,
    /// The size that the module's memory can never exceed, in bytes.
    pub(super) memory_bytes_max: u64,
}

/// A function's new body: locals and code.
///
/// `params` are its parameters, `results` is a block type of its results alone.
pub(super) fn metered(
    around: &Surroundings<'_>,
    wasm: &[u8],
    body: &FunctionBody<'_>,
    params: u32,
    results: BlockType,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut locals = body.get_locals_reader()?;
    let (declared, locals_start) = (locals.get_count(), locals.original_position());
    let mut fuel = params;
    for _ in 0..declared {
        fuel = fuel.saturating_add(locals.read()?.0);
    }
    let code_start = locals.original_position();
    let mut writer = Writer {
        around,
        code: Vec::new(),
        fuel,
        mark: fuel.saturating_add(1),
        length: fuel.saturating_add(2),
        pending: 1,
        depth: 0,
        constant: None,
    };
    writer.open(results);
    let mut operators = body.get_operators_reader()?;
    let mut at = code_start;
    while !operators.eof() {
        let operator = operators.read()?;
        let end = operators.original_position();
        writer.operator(&operator, wasm.get(at..end).unwrap_or_default());
        at = end;
    }
    let mut content = Vec::new();
    declared.saturating_add(3).encode(&mut content);
    content.extend_from_slice(wasm.get(locals_start..code_start).unwrap_or_default());
    for ty in [ValType::I64, ValType::I64, ValType::I32] {
        1_u32.encode(&mut content);
        ty.encode(&mut content);
    }
    content.append(&mut writer.code);
    Ok(content)
}

struct Writer<'a> {
    around: &'a Surroundings<'a>,
    code: Vec<u8>,
    /// The local with the count.
    fuel: u32,
    /// The local with the count from which on it is written at a look; never above 0.
    mark: u32,
    /// A local for a length that is only known at run time.
    length: u32,
    /// What the code since the last addition costs.
    pending: i64,
    /// Blocks of the guest's own that are open.
    depth: u32,
    /// What the previous instruction put on the stack, if it is a constant.
    constant: Option<u32>,
}

impl Writer<'_> {
    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// Opens two blocks around the guest's code. A branch out of the outer one is the end of the
    /// run; the inner one stands for the function, so that whatever leaves it saves the count.
    fn open(&mut self, results: BlockType) {
        self.sink().block(BlockType::Empty).block(results);
        self.load();
        self.add();
        self.leave_at_limit(1);
        self.set_mark();
    }

    fn operator(&mut self, operator: &Operator<'_>, raw: &[u8]) {
        self.pending = self.pending.saturating_add(self.around.costs.cost(operator));
        match operator {
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                self.save();
                self.code.extend_from_slice(raw);
                self.load();
            }
            Operator::Loop { .. } => {
                self.add();
                self.code.extend_from_slice(raw);
                self.depth = self.depth.saturating_add(1);
                self.look();
            }
            Operator::Block { .. } => {
                self.code.extend_from_slice(raw);
                self.depth = self.depth.saturating_add(1);
            }
            Operator::If { .. } => {
                self.add();
                self.code.extend_from_slice(raw);
                self.depth = self.depth.saturating_add(1);
            }
            Operator::End => self.end(),
            _ => {
                self.before(operator);
                self.code.extend_from_slice(raw);
            }
        }
        self.constant = match operator {
            Operator::I32Const { value } => Some(value.cast_unsigned()),
            _ => None,
        };
    }

    /// What has to be done before an operator that opens and closes no block.
    fn before(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Return | Operator::Unreachable => self.save(),
            Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Else => self.add(),
            _ => {
                if let Some(per_unit) = per_unit(self.around.costs, operator) {
                    self.charge_length(i64::from(per_unit));
                } else if access(operator).is_some_and(|a| self.is_always_outside(a)) {
                    self.save();
                }
            }
        }
    }

    fn end(&mut self) {
        self.add();
        self.sink().end();
        if let Some(depth) = self.depth.checked_sub(1) {
            self.depth = depth;
            return;
        }
        // The function's own end: of the inner block, then of the outer one.
        self.save();
        let counter = self.around.counter;
        self.sink().return_().end().i64_const(OUT).global_set(counter).unreachable().end();
    }

    /// Charges an operator over the length on top of the stack.
    fn charge_length(&mut self, per_unit: i64) {
        if let Some(length) = self.constant {
            let cost = i64::from(length).saturating_mul(per_unit);
            self.pending = self.pending.saturating_add(cost);
            if cost <= SMALL {
                return;
            }
        } else {
            self.add();
            let (fuel, length) = (self.fuel, self.length);
            let mut sink = self.sink();
            sink.local_tee(length).local_get(length).i64_extend_i32_u();
            if per_unit != 1 {
                sink.i64_const(per_unit).i64_mul();
            }
            sink.local_get(fuel).i64_add().local_set(fuel);
        }
        self.look();
    }

    /// Whether an access of so many bytes so far into the memory can never succeed.
    fn is_always_outside(&self, access: &MemArg) -> bool {
        let bytes = 1_u64.checked_shl(u32::from(access.max_align)).unwrap_or(u64::MAX);
        access.offset.saturating_add(bytes) > self.around.memory_bytes_max
    }

    /// Adds to the local what has come together.
    fn add(&mut self) {
        let (fuel, pending) = (self.fuel, std::mem::take(&mut self.pending));
        if pending != 0 {
            self.sink().local_get(fuel).i64_const(pending).i64_add().local_set(fuel);
        }
    }

    /// Adds, and writes the local to the counter.
    fn save(&mut self) {
        self.add();
        let (fuel, counter) = (self.fuel, self.around.counter);
        self.sink().local_get(fuel).global_set(counter);
    }

    /// Reads the counter into the local.
    fn load(&mut self) {
        let (fuel, counter) = (self.fuel, self.around.counter);
        self.sink().global_get(counter).local_set(fuel);
    }

    /// Where the mark is passed, saves, for a trap may come before the next time, and leaves the
    /// function when the limit is reached.
    fn look(&mut self) {
        self.add();
        let (fuel, mark) = (self.fuel, self.mark);
        self.sink().block(BlockType::Empty).local_get(fuel).local_get(mark).i64_lt_s().br_if(0);
        self.save();
        self.leave_at_limit(self.depth.saturating_add(2));
        self.set_mark();
        self.sink().end();
    }

    /// Leaves the function, and with it the run, when the limit is reached. The outer block is that
    /// many blocks away.
    fn leave_at_limit(&mut self, outer: u32) {
        let fuel = self.fuel;
        self.sink().local_get(fuel).i64_const(0).i64_ge_s().br_if(outer);
    }

    /// The mark is a step from here, or the limit when that comes first.
    fn set_mark(&mut self) {
        let (fuel, mark) = (self.fuel, self.mark);
        let mut sink = self.sink();
        sink.local_get(fuel).i64_const(STEP).i64_add().local_tee(mark).i64_const(0);
        sink.local_get(mark).i64_const(0).i64_lt_s().select().local_set(mark);
    }
}

/// What each unit of the length costs that an operator has on top of the stack.
pub(super) const fn per_unit(costs: &OperatorCost, operator: &Operator<'_>) -> Option<u8> {
    let costs = &costs.variable;
    match operator {
        Operator::MemoryCopy { .. } => Some(costs.memory_copy_per_byte),
        Operator::MemoryFill { .. } => Some(costs.memory_fill_per_byte),
        Operator::MemoryInit { .. } => Some(costs.memory_init_per_byte),
        Operator::MemoryGrow { .. } => Some(costs.memory_grow_per_page),
        Operator::TableCopy { .. } => Some(costs.table_copy_per_element),
        Operator::TableFill { .. } => Some(costs.table_fill_per_element),
        Operator::TableInit { .. } => Some(costs.table_init_per_element),
        Operator::TableGrow { .. } => Some(costs.table_grow_per_element),
        _ => None,
    }
}

/// Where an operator reads or writes memory, if it does.
const fn access<'a>(operator: &'a Operator<'_>) -> Option<&'a MemArg> {
    use Operator as O;
    match operator {
        O::I32Load { memarg }
        | O::I64Load { memarg }
        | O::F32Load { memarg }
        | O::F64Load { memarg }
        | O::I32Load8S { memarg }
        | O::I32Load8U { memarg }
        | O::I32Load16S { memarg }
        | O::I32Load16U { memarg }
        | O::I64Load8S { memarg }
        | O::I64Load8U { memarg }
        | O::I64Load16S { memarg }
        | O::I64Load16U { memarg }
        | O::I64Load32S { memarg }
        | O::I64Load32U { memarg }
        | O::I32Store { memarg }
        | O::I64Store { memarg }
        | O::F32Store { memarg }
        | O::F64Store { memarg }
        | O::I32Store8 { memarg }
        | O::I32Store16 { memarg }
        | O::I64Store8 { memarg }
        | O::I64Store16 { memarg }
        | O::I64Store32 { memarg }
        | O::V128Load { memarg }
        | O::V128Load8x8S { memarg }
        | O::V128Load8x8U { memarg }
        | O::V128Load16x4S { memarg }
        | O::V128Load16x4U { memarg }
        | O::V128Load32x2S { memarg }
        | O::V128Load32x2U { memarg }
        | O::V128Load8Splat { memarg }
        | O::V128Load16Splat { memarg }
        | O::V128Load32Splat { memarg }
        | O::V128Load64Splat { memarg }
        | O::V128Load32Zero { memarg }
        | O::V128Load64Zero { memarg }
        | O::V128Store { memarg }
        | O::V128Load8Lane { memarg, .. }
        | O::V128Load16Lane { memarg, .. }
        | O::V128Load32Lane { memarg, .. }
        | O::V128Load64Lane { memarg, .. }
        | O::V128Store8Lane { memarg, .. }
        | O::V128Store16Lane { memarg, .. }
        | O::V128Store32Lane { memarg, .. }
        | O::V128Store64Lane { memarg, .. } => Some(memarg),
        _ => None,
    }
}
