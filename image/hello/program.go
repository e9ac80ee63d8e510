package hello

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// The program is write(1, message, length); exit(0), as machine code in an ELF file with one loadable segment: file header,
// program header, code, message, in this order and mapped as they are (ELF-64 object file format, chapters 1 and 2).

const (
	base       = 0x400000 // where the segment is mapped
	headerSize = 64 + 56  // file header and one program header
)

// machine is how one architecture says it. Code is position-dependent: it is told where the message is and how long.
type machine struct {
	elf  elf.Machine
	code func(message uint64, length uint32) []byte
}

var machines = map[string]*machine{
	"amd64": {elf.EM_X86_64, amd64},
	"arm64": {elf.EM_AARCH64, arm64},
}

// Program is the static executable for the architecture; nil if there is none.
func Program(arch string) []byte {
	m := machines[arch]
	if m == nil {
		return nil
	}
	length := len(m.code(0, uint32(len(Message))))
	entry := uint64(base + headerSize)
	code := m.code(entry+uint64(length), uint32(len(Message)))
	size := uint64(headerSize + length + len(Message))

	var b bytes.Buffer
	put := func(v any) { must(binary.Write(&b, binary.LittleEndian, v)) }
	put(elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(m.elf), Version: uint32(elf.EV_CURRENT),
		Entry: entry, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	})
	put(elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 0x1000,
	})
	b.Write(code)
	b.WriteString(Message)
	return b.Bytes()
}

// amd64: system call number in eax, arguments in edi, rsi, edx (System V ABI, AMD64 supplement, A.2.1).
func amd64(message uint64, length uint32) []byte {
	le := binary.LittleEndian
	c := []byte{0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xbe} // mov eax, 1 (write); mov edi, 1; mov esi, message
	c = le.AppendUint32(c, uint32(message))
	c = append(c, 0xba) // mov edx, length
	c = le.AppendUint32(c, length)
	c = append(c, 0x0f, 0x05)                // syscall
	c = append(c, 0xb8, 60, 0, 0, 0)         // mov eax, 60 (exit)
	return append(c, 0x31, 0xff, 0x0f, 0x05) // xor edi, edi; syscall
}

// arm64: system call number in x8, arguments in x0, x1, x2. MOVZ is 0xd2800000 and MOVK with a shift of 16 is 0xf2a00000, each
// with a 16-bit immediate at bit 5 and the register at bit 0 (Arm ARM, C6.2).
func arm64(message uint64, length uint32) []byte {
	movz := func(reg, imm uint32) uint32 { return 0xd2800000 | imm&0xffff<<5 | reg }
	movk16 := func(reg, imm uint32) uint32 { return 0xf2a00000 | imm&0xffff<<5 | reg }
	const svc = 0xd4000001
	var c []byte
	for _, word := range []uint32{
		movz(0, 1), movz(1, uint32(message)), movk16(1, uint32(message>>16)), movz(2, length), movz(8, 64), svc, // write
		movz(0, 0), movz(8, 93), svc, // exit
	} {
		c = binary.LittleEndian.AppendUint32(c, word)
	}
	return c
}
