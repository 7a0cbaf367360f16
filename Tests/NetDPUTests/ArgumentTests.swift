import EmulatedDevice
import Testing

@testable import NetDPU

@Suite("devargs of net_dpu")
struct ArgumentTests {
  @Test("every key is read, and a list in brackets keeps its commas")
  func reads() throws {
    let read = try DeviceArguments(
      "profile=ideal,wire=pcap:a.pcap:b.pcap,vfs=4,rules=1000,seed=9,faults=[reset=100,lost-frame=7]")
    #expect(read.profile == "ideal")
    #expect(read.wire == .capture(input: "a.pcap", output: "b.pcap"))
    #expect(read.virtualFunctions == 4)
    #expect(read.rules == 1000)
    #expect(read.seed == 9)
    #expect(read.faults.resetAtFrame == 100)
    #expect(read.faults.lostFrame == 7)
    #expect(try DeviceArguments("").profile == "bluefield3")
  }

  @Test(
    "what is no devargs is refused with the key, what was found and what was expected",
    arguments: [
      ("prof=ideal", "no key is called 'prof'"), ("vfs=15", "expected 0 to 14"), ("vfs=-1", "expected 0 to 14"),
      ("wire=tap:", "expected loopback, shm:NAME"), ("wire=shm:a/b", "expected loopback"),
      ("wire=tap:aninterfacenamethatistoolong", "tap:NAME"), ("wire=pcap::x", "pcap:IN"),
      ("faults=reste=3", "no fault is called 'reste'"),
      ("faults=[reset=1", "brackets"), ("faults=]reset=1[", "brackets"), ("profile", "KEY=VALUE"),
      ("profile=", "without a value"),
      ("rules=0", "64 to"), ("seed=x", "a number"),
    ])
  func refuses(text: String, words: String) {
    #expect { _ = try DeviceArguments(text) } throws: { ($0 as? AttachError)?.sentence.contains(words) ?? false }
  }

  @Test("a profile that is not there is refused with the names of those that are")
  func noProfile() {
    #expect(TestHost("profile=bluefield9") == nil)
    #expect(TestHost("profile=bluefield3") != nil)
  }
}
