//! One pickled NumPy array of drawings -> its drawings, one by one.
//!
//! This is not a general unpickler: it knows only the opcodes of NumPy's object arrays (protocols 2
//! to 4, of Python 2 and 3) and the callables for an array, a dtype and, in Python 3's protocol 2,
//! bytes. Nothing is ever called or imported. Every length is compared with what is left of the
//! file before memory is taken, and the memory does not grow with the number of drawings.

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;

/// The most bytes of one value: a drawing of half a million points.
const MAX_VALUE_BYTES: usize = 4 << 20;

/// Values longer than this are not memoized; names are shorter, points of drawings are not referred
/// to.
const MAX_KEPT_BYTES: usize = 64;

/// Values waiting for their tuple or list. Pickle hands over a list a thousand at a time.
const MAX_STACK: usize = 1 << 13;

/// The longest tuple is the state of a dtype, 8 or 9 values; tuples hold tuples, which hold none.
const MAX_TUPLE: usize = 16;
const MAX_TUPLE_DEPTH: u8 = 2;

/// Memoized names and dtypes. NumPy writes a dozen.
const MAX_KEPT: usize = 1 << 16;

/// Numbers of one drawing: rows of `(dx, dy, pen)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) shape: Vec<usize>,
    /// Row by row.
    pub(crate) values: Vec<f64>,
}

/// Callables that may occur; none is called.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Callable {
    Reconstruct,
    Array,
    Dtype,
    /// `_codecs.encode`, by which Python 3 writes bytes in protocol 2.
    Encode,
    /// `bytes`, of which only the empty ones are made.
    Bytes,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Text or bytes: Python 2 makes no difference.
    Data(Vec<u8>),
    Callable(Callable),
    Tuple(Vec<Value>, u8),
    /// The list of all drawings: they are handed out at once and not kept.
    List,
    /// An index into the dtypes, because a dtype is referred to before it is complete.
    Dtype(usize),
    /// An array without its state.
    NewArray,
    Drawing(Block),
    /// The array of all drawings.
    Whole,
}

/// NumPy's dtype: letter of the kind, and size in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dtype {
    kind: u8,
    size: usize,
    is_big_endian: bool,
}

/// Reads a pickled object array.
pub(crate) struct Unpickler<R> {
    input: R,
    /// Bytes that the pickle may still have.
    n_left: u64,
    stack: Vec<Value>,
    /// Where in the stack the open marks are.
    marks: Vec<usize>,
    kept: HashMap<u32, Value>,
    n_memoized: u32,
    types: Vec<Dtype>,
    waiting: VecDeque<Block>,
    n_drawings: usize,
    has_list: bool,
    is_over: bool,
}

impl<R: BufRead> Unpickler<R> {
    /// Reads from `input`, which has `n_bytes`.
    pub(crate) fn new(input: R, n_bytes: u64) -> Self {
        Self {
            input,
            n_left: n_bytes,
            stack: Vec::new(),
            marks: Vec::new(),
            kept: HashMap::new(),
            n_memoized: 0,
            types: Vec::new(),
            waiting: VecDeque::new(),
            n_drawings: 0,
            has_list: false,
            is_over: false,
        }
    }

    /// The next drawing; none at the end of the array.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>, String> {
        while self.waiting.is_empty() && !self.is_over {
            self.step()?;
        }
        Ok(self.waiting.pop_front())
    }

    /// The input, and how many bytes it may still have.
    pub(crate) fn into_input(self) -> (R, u64) {
        (self.input, self.n_left)
    }

    fn step(&mut self) -> Result<(), String> {
        let opcode = self.array::<1>()?[0];
        match opcode {
            // PROTO
            0x80 => match self.array::<1>()?[0] {
                2..=4 => {}
                protocol => return Err(format!("pickle protocol {protocol}; 2 to 4 were expected")),
            },
            // FRAME: a length, which is not needed.
            0x95 => drop(self.array::<8>()?),
            b'(' => {
                if self.marks.len() >= MAX_STACK {
                    return Err("too many open marks".to_owned());
                }
                self.marks.push(self.stack.len());
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            b'K' => {
                let value = self.array::<1>()?[0];
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => {
                let n = self.array::<1>()?[0];
                let bytes = self.bytes(n.into())?;
                let Some(&last) = bytes.last() else { return self.push(Value::Int(0)) };
                if bytes.len() > 8 {
                    return Err(format!("a number of {} bytes; at most 8 were expected", bytes.len()));
                }
                let mut wide = [if last & 0x80 == 0 { 0 } else { 0xff }; 8];
                wide[..bytes.len()].copy_from_slice(&bytes);
                self.push(Value::Int(i64::from_le_bytes(wide)))?;
            }
            // SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE
            b'U' | b'C' | 0x8c => {
                let n = self.array::<1>()?[0];
                let bytes = self.bytes(n.into())?;
                self.push(Value::Data(bytes))?;
            }
            // BINSTRING, BINBYTES, BINUNICODE
            b'T' | b'B' | b'X' => {
                let n = u32::from_le_bytes(self.array()?);
                let bytes = self.bytes(n as usize)?;
                self.push(Value::Data(bytes))?;
            }
            b')' => self.push(Value::Tuple(Vec::new(), 1))?,
            0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                self.tuple(at.ok_or("a tuple of values that are not there")?)?;
            }
            b't' => {
                let at = self.marks.pop().ok_or("the end of a tuple without its beginning")?;
                self.tuple(at)?;
            }
            b']' => {
                if std::mem::replace(&mut self.has_list, true) {
                    return Err("a second list; one of drawings was expected".to_owned());
                }
                self.push(Value::List)?;
            }
            b'a' => {
                let at = self.stack.len().checked_sub(1).ok_or("nothing to append")?;
                self.append(at)?;
            }
            b'e' => {
                let at = self.marks.pop().ok_or("the end of a list's part without its beginning")?;
                self.append(at)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.callable(&module, &name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Data(name), Value::Data(module)) => self.callable(&module, &name)?,
                _ => return Err("a name that is not text".to_owned()),
            },
            b'R' => self.call()?,
            b'b' => self.build()?,
            b'q' => {
                let index = self.array::<1>()?[0];
                self.keep(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.keep(index)?;
            }
            0x94 => self.keep(self.n_memoized)?,
            b'h' => {
                let index = self.array::<1>()?[0];
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)?;
            }
            b'.' => {
                if self.stack != [Value::Whole] || !self.marks.is_empty() {
                    return Err("the pickle ends without an array of drawings".to_owned());
                }
                self.is_over = true;
            }
            _ => {
                return Err(format!(
                    "pickle opcode {opcode:#04x}, which no array of drawings has; nothing of it is run"
                ));
            }
        }
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.stack.len() >= MAX_STACK {
            return Err(format!("more than {MAX_STACK} values that belong to nothing"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        // Values before a mark belong to another part.
        match self.marks.last() {
            Some(&mark) if self.stack.len() <= mark => None,
            _ => self.stack.pop(),
        }
        .ok_or_else(|| "a value is missing".to_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, n: usize) -> Result<Vec<u8>, String> {
        if n as u64 > self.n_left {
            return Err(format!("a value of {n} bytes where {} are left", self.n_left));
        }
        if n > MAX_VALUE_BYTES {
            return Err(format!(
                "a value of {n} bytes; at most {MAX_VALUE_BYTES} were expected of a drawing"
            ));
        }
        let mut bytes = vec![0; n];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.n_left =
            self.n_left.checked_sub(bytes.len() as u64).ok_or("the pickle goes on beyond its end")?;
        self.input.read_exact(bytes).map_err(|error| format!("cannot be read: {error}"))
    }

    fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        loop {
            match self.array::<1>()?[0] {
                b'\n' => return Ok(line),
                _ if line.len() >= MAX_KEPT_BYTES => return Err("an endless name".to_owned()),
                byte => line.push(byte),
            }
        }
    }

    fn tuple(&mut self, at: usize) -> Result<(), String> {
        if at > self.stack.len() || self.marks.last().is_some_and(|&mark| at < mark) {
            return Err("a tuple of values that are not there".to_owned());
        }
        let values = self.stack.split_off(at);
        let depth = 1 + values
            .iter()
            .map(|value| if let Value::Tuple(_, depth) = value { *depth } else { 0 })
            .max()
            .unwrap_or(0);
        if values.len() > MAX_TUPLE || depth > MAX_TUPLE_DEPTH {
            return Err("a tuple that no array of drawings has".to_owned());
        }
        self.push(Value::Tuple(values, depth))
    }

    fn append(&mut self, at: usize) -> Result<(), String> {
        if at == 0 || at > self.stack.len() || self.stack[at - 1] != Value::List {
            return Err("values are appended to something that is not a list".to_owned());
        }
        for value in self.stack.drain(at..) {
            let Value::Drawing(block) = value else {
                return Err("a list of something else than arrays of numbers".to_owned());
            };
            self.waiting.push_back(block);
            self.n_drawings += 1;
        }
        Ok(())
    }

    fn callable(&mut self, module: &[u8], name: &[u8]) -> Result<(), String> {
        let callable = match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Callable::Reconstruct,
            (b"numpy", b"ndarray") => Callable::Array,
            (b"numpy", b"dtype") => Callable::Dtype,
            (b"_codecs", b"encode") => Callable::Encode,
            (b"__builtin__" | b"builtins", b"bytes") => Callable::Bytes,
            _ => {
                let [module, name] = [module, name].map(String::from_utf8_lossy);
                return Err(format!("{module}.{name}, which no array of drawings has; nothing of it is run"));
            }
        };
        self.push(Value::Callable(callable))
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let (Value::Callable(callable), Value::Tuple(mut arguments, _)) = (callable, arguments) else {
            return Err("a call of what cannot be called".to_owned());
        };
        let first = (!arguments.is_empty()).then(|| arguments.swap_remove(0));
        let value = match (callable, first) {
            (Callable::Reconstruct, Some(Value::Callable(Callable::Array))) => Value::NewArray,
            (Callable::Dtype, Some(Value::Data(name))) => {
                if self.types.len() >= MAX_KEPT {
                    return Err("too many dtypes".to_owned());
                }
                self.types.push(dtype(&name)?);
                Value::Dtype(self.types.len() - 1)
            }
            (Callable::Encode, Some(Value::Data(text))) => {
                let text =
                    String::from_utf8(text).map_err(|error| format!("text that is not UTF-8: {error}"))?;
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                Value::Data(bytes.ok_or("text that is not latin1")?)
            }
            (Callable::Bytes, None) => Value::Data(Vec::new()),
            _ => return Err("a call with other values than an array of drawings has".to_owned()),
        };
        self.push(value)
    }

    /// Sets the state of an array or a dtype (BUILD).
    fn build(&mut self) -> Result<(), String> {
        let (state, target) = (self.pop()?, self.pop()?);
        let Value::Tuple(state, _) = state else { return Err("a state that is no tuple".to_owned()) };
        let value = match (target, state.as_slice()) {
            (
                Value::Dtype(index),
                [Value::Int(_), Value::Data(order), Value::None, Value::None, Value::None, ..],
            ) => {
                self.types[index].is_big_endian = order == b">";
                Value::Dtype(index)
            }
            (
                Value::NewArray,
                [
                    Value::Int(1),
                    Value::Tuple(shape, _),
                    Value::Dtype(index),
                    Value::Bool(is_by_column),
                    content,
                ],
            ) => {
                let shape: Option<Vec<usize>> = shape
                    .iter()
                    .map(|side| if let Value::Int(n) = side { usize::try_from(*n).ok() } else { None })
                    .collect();
                let shape = shape.ok_or("an invalid shape")?;
                let found = self.types[*index];
                match content {
                    Value::List if found.kind == b'O' => {
                        let n = self.n_drawings;
                        if shape != [n] {
                            return Err(format!("{n} drawings in an array of the shape {shape:?}"));
                        }
                        Value::Whole
                    }
                    Value::Data(bytes) => Value::Drawing(numbers(shape, found, *is_by_column, bytes)?),
                    _ => return Err("an array of neither drawings nor numbers".to_owned()),
                }
            }
            _ => return Err("a state that no array of drawings has".to_owned()),
        };
        self.push(value)
    }

    /// Memoizes the top of the stack if it is of a kind that is referred to.
    fn keep(&mut self, index: u32) -> Result<(), String> {
        self.n_memoized = self.n_memoized.saturating_add(1);
        let value = match self.stack.last() {
            Some(Value::Data(bytes)) if bytes.len() <= MAX_KEPT_BYTES => Value::Data(bytes.clone()),
            Some(Value::Callable(callable)) => Value::Callable(*callable),
            Some(Value::Dtype(index)) => Value::Dtype(*index),
            Some(_) => return Ok(()),
            None => return Err("a value is missing".to_owned()),
        };
        // The bytes of very small drawings are short as well: the oldest, which are names, stay.
        if self.kept.len() < MAX_KEPT {
            self.kept.insert(index, value);
        }
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), String> {
        let value = self.kept.get(&index).cloned();
        self.push(
            value.ok_or_else(|| {
                format!("value {index} is referred to, which is neither a name nor a dtype")
            })?,
        )
    }
}

/// `i2`, `f4`, `O8`.
fn dtype(name: &[u8]) -> Result<Dtype, String> {
    let (kind, size) = match name {
        [b'O', ..] => (b'O', 8),
        [kind @ (b'i' | b'u'), size @ (b'1' | b'2' | b'4' | b'8')] => (*kind, usize::from(size - b'0')),
        [b'f', size @ (b'4' | b'8')] => (b'f', usize::from(size - b'0')),
        _ => {
            let name = String::from_utf8_lossy(name);
            return Err(format!("numbers of the type {name:?}; i1 to i8, u1 to u8, f4 or f8 were expected"));
        }
    };
    Ok(Dtype { kind, size, is_big_endian: false })
}

fn numbers(shape: Vec<usize>, number: Dtype, is_by_column: bool, bytes: &[u8]) -> Result<Block, String> {
    let n = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
    if number.kind == b'O' || n.and_then(|n| n.checked_mul(number.size)) != Some(bytes.len()) {
        return Err(format!("{} bytes for an array of the shape {shape:?}", bytes.len()));
    }
    let number_at = |bytes: &[u8]| -> f64 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        if number.is_big_endian {
            wide[..bytes.len()].reverse();
        }
        match (number.kind, number.size) {
            (b'f', 4) => f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]).into(),
            (b'f', _) => f64::from_le_bytes(wide),
            (b'u', _) => u64::from_le_bytes(wide) as f64,
            (_, size) => {
                // The sign moves to where that of eight bytes is, and back.
                let unused = 64 - 8 * size as u32;
                ((i64::from_le_bytes(wide) << unused) >> unused) as f64
            }
        }
    };
    let mut values: Vec<f64> = bytes.chunks_exact(number.size).map(number_at).collect();
    if let (true, &[n_rows, n_columns]) = (is_by_column, shape.as_slice()) {
        let by_column = values.clone();
        for (at, value) in values.iter_mut().enumerate() {
            *value = by_column[(at % n_columns) * n_rows + at / n_columns];
        }
    }
    Ok(Block { shape, values })
}
