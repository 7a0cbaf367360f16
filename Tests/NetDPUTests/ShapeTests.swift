import CNetDPU
import Device
import EmulatedDevice
import Memory
import Rules
import Testing

@testable import NetDPU

@Suite("rules that come in thousands")
struct ShapeTests {
  /// A frame to 10.9.a.b.
  private func frame(_ number: Int) -> [UInt8] {
    var frame = Sample.inner
    (frame[32], frame[33]) = (UInt8(number >> 8), UInt8(number & 255))
    return frame
  }

  @Test("rules of one shape give each their own mark and count, the learned ones too, and a refusal keeps its words")
  func marks() throws {
    let host = try #require(TestHost("profile=bluefield3,rules=700"))
    var ids: [UInt32] = []
    for number in 0..<700 { ids.append(try #require(host.create(destination: number, mark: number + 1))) }
    #expect(host.model.knowsLastShape)
    #expect(host.create(destination: 701, mark: 1) == nil)
    #expect(host.words.contains("table_full"))
    for number in stride(from: 0, to: 700, by: 7) {
      #expect(host.send(frame(number)).map(\.mark) == [UInt32(number + 1)])
      #expect(try host.model.query(ids[number], reset: false, now: 1).frames == 1)
      #expect(try host.model.query(ids[number + 1], reset: false, now: 1).frames == 0)
    }
    #expect(host.send(frame(900)).map(\.mark) == [nil])
    for id in ids.reversed() { try host.model.destroy(id, now: 2) }
    #expect(host.send(frame(7)).map(\.mark) == [nil])
  }

  @Test("what a learned shape compiles to is what the same rule compiles to when it is read")
  func sameProgram() throws {
    let host = try #require(TestHost("profile=ideal"))
    for number in 0..<40 { _ = host.create(destination: number, mark: 5) }
    #expect(host.model.knowsLastShape)
    // A mark of 0 is another number on the device, and an address under another mask another shape.
    #expect(host.create(destination: 41, mark: 0) != nil)
    #expect(host.send(frame(41)).map(\.mark) == [0])
    #expect(host.create(destination: 42, mark: 6, mask: [0xff, 0xff, 0xff, 0xfe]) != nil)
    #expect(host.send(frame(43)).map(\.mark) == [6])
  }
}

extension NetDevice {
  /// Whether the shape of the rule that was read last was learned.
  fileprivate var knowsLastShape: Bool {
    guard let place = shapes.place() else { return false }
    return shapes.isLearned(place)
  }
}

extension TestHost {
  /// `eth / ipv4 dst is 10.0.a.b / end actions mark / count / queue 0` over the border; nil with words when it is refused.
  func create(destination: Int, mark: Int, mask: [UInt8] = [0xff, 0xff, 0xff, 0xff]) -> UInt32? {
    var spec = [UInt8](repeating: 0, count: 20)
    spec.replaceSubrange(16..<20, with: [10, 0, UInt8(destination >> 8), UInt8(destination & 255)])
    let whole = [UInt8](repeating: 0, count: 16) + mask
    var items = unsafe [net_dpu_item(), net_dpu_item()]
    var actions = unsafe [net_dpu_action(), net_dpu_action(), net_dpu_action()]
    unsafe items[0].kind = NET_DPU_ITEM_ETH.rawValue
    unsafe items[1].kind = NET_DPU_ITEM_IPV4.rawValue
    unsafe actions[0].kind = NET_DPU_ACTION_MARK.rawValue
    unsafe actions[0].value = UInt64(mark)
    unsafe actions[1].kind = NET_DPU_ACTION_COUNT.rawValue
    unsafe actions[2].kind = NET_DPU_ACTION_QUEUE.rawValue
    var rule = unsafe net_dpu_rule()
    unsafe rule.ingress = 1
    unsafe rule.queues = 1
    unsafe (rule.items, rule.action_count) = (2, 3)
    var id: UInt32 = 0
    var error = net_dpu_error()
    let code = unsafe spec.withUnsafeBufferPointer { spec in
      unsafe whole.withUnsafeBufferPointer { mask in
        unsafe items[1].size = 20
        unsafe (items[1].spec, items[1].mask) = (spec.baseAddress, mask.baseAddress)
        return unsafe items.withUnsafeBufferPointer { items in
          unsafe actions.withUnsafeBufferPointer { actions in
            unsafe (rule.pattern, rule.actions) = (items.baseAddress, actions.baseAddress)
            return unsafe net_dpu_flow_create(pointer, &rule, 0, &id, &error)
          }
        }
      }
    }
    guard code != 0 else { return id }
    words = unsafe withUnsafeBytes(of: &error.message) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return nil
  }
}
