import Control

/// libFuzzer's door: the first byte says how the stream is cut, the rest is what a client sends.
@_cdecl("LLVMFuzzerTestOneInput")
public func requestsTarget(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let cut = unsafe Int(data[0]) + 1
  let bytes = unsafe [UInt8](UnsafeBufferPointer(start: data + 1, count: count - 1))
  message(bytes)
  stream(bytes, cut: cut)
  return 0
}

/// A message as it is: an error with words, or a request that is sent as it was read.
private func message(_ bytes: [UInt8]) {
  do throws(RequestFailure) {
    let request = try Request(message: bytes)
    let sent = request.message
    guard let read = try? Request(message: sent), read == request else {
      preconditionFailure("a request is not read as it is sent")
    }
  } catch {
    precondition(!error.code.isEmpty && !error.message.isEmpty)
  }
  if let document = try? JSON(bytes), !hasOtherNumbers(document) {
    for pretty in [false, true] {
      guard let read = try? JSON(document.bytes(pretty: pretty)), read == document else {
        preconditionFailure("a document is not read as it is written")
      }
    }
  }
}

/// Numbers that are not whole may be written shorter than they were read; they have a reader of their own.
private func hasOtherNumbers(_ value: JSON) -> Bool {
  switch value {
  case .number: true
  case .array(let list): list.contains(where: hasOtherNumbers)
  case .object(let members): members.contains { hasOtherNumbers($0.value) }
  default: false
  }
}

/// The same bytes as a stream: messages do not depend on how it was cut.
private func stream(_ bytes: [UInt8], cut: Int) {
  var whole = MessageReader(limit: 300), pieces = MessageReader(limit: 300)
  whole.append(bytes[...])
  let all = messages(&whole)
  var found: [[UInt8]] = []
  var at = 0, isBroken = false
  while at < bytes.count, !isBroken {
    let end = min(bytes.count, at + cut)
    pieces.append(bytes[at..<end])
    let (more, broken) = messages(&pieces)
    found += more
    isBroken = broken
    at = end
  }
  precondition(found == all.found && isBroken == all.isBroken, "a stream that is cut gives other messages")
}

private func messages(_ reader: inout MessageReader) -> (found: [[UInt8]], isBroken: Bool) {
  var found: [[UInt8]] = []
  while true {
    do throws(MessageReader.LengthError) {
      guard let message = try reader.next() else { return (found, false) }
      found.append(message)
    } catch {
      return (found, true)
    }
  }
}
