package container

import (
	"math/rand/v2"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// NamePattern is what names of containers, pods and volumes look like.
const NamePattern = `^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`

// maxName is the longest name, in bytes: a name is part of file names.
const maxName = 128

// CheckName checks the form of a name of a container, pod or volume. ErrInvalidArgument.
func CheckName(name string) error {
	if len(name) > maxName {
		return errdefs.Invalid("name %.20q… is %d characters long: the longest has %d", name, len(name), maxName)
	}
	if name == "" || !alphanumeric(name[0]) || strings.IndexFunc(name, badInName) >= 0 {
		return errdefs.Invalid("invalid name %q: names have letters, digits, underscores, dots and hyphens, and begin with a letter or a digit (%s)",
			name, NamePattern)
	}
	return nil
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func badInName(r rune) bool {
	return r >= 0x80 || !alphanumeric(byte(r)) && r != '_' && r != '.' && r != '-'
}

// RandomName makes a name of an adjective and the surname of a scientist or an engineer. Two calls may give the same name:
// who finds it taken calls again.
func RandomName(r *rand.Rand) string {
	return adjectives[r.IntN(len(adjectives))] + "_" + surnames[r.IntN(len(surnames))]
}

var adjectives = strings.Fields(`
	able agile airy alert amber apt azure bold bonny brave breezy bright brisk bubbly calm candid cheery chipper civil clear
	clever coastal comfy cordial cosy crisp curious dainty daring deft devoted diligent eager earnest easy elated fair fearless
	festive fleet fluent fond frank fresh frosty gallant genial gentle glad gleaming golden good graceful grand great handy happy
	hardy hearty helpful honest humble jaunty jolly jovial keen kind lively loyal lucid lucky mellow merry mighty mild mindful
	modest neat nimble noble novel open patient peaceful placid plucky polite prompt proper proud quick quiet radiant rapid ready
	robust rosy rugged serene sharp shiny silent silver sincere smart snug sober solid spry stable steady sterling stoic strong
	sunny sure swift tender thrifty tidy tranquil trusty upbeat valiant vivid warm wise witty worthy zesty`)

var surnames = strings.Fields(`
	abel ampere andrews archimedes avogadro babbage bardeen becquerel bell bernoulli berzelius bessemer bohr boltzmann boole born
	bose boyle brahe brunel bunsen cantor carnot cauchy cavendish celsius chandra chatelet church clausius copernicus coulomb
	crick curie dalton darwin davy descartes diesel dijkstra dirac doppler edison einstein erdos euclid euler faraday fermat
	fermi feynman fibonacci fleming fourier franklin fresnel galileo galois galvani gauss germain gibbs goddard goedel hahn
	halley hamilton heisenberg helmholtz henry herschel hertz hilbert hooke hopper hubble humboldt huygens jacobi joule kelvin
	kepler kirchhoff knuth kovalevskaya lagrange landau laplace lavoisier leavitt lebesgue leeuwenhoek leibniz linnaeus lorentz
	lovelace mach marconi maxwell meitner mendel mendeleev michelson minkowski morse napier nernst newton nightingale nobel
	noether oersted ohm otto pascal pasteur pauli pauling planck poincare poisson priestley pythagoras raman ramanujan rayleigh
	riemann ritchie roentgen rutherford sagan schrodinger shannon siemens stevin stirling stokes tesla thompson torricelli turing
	tycho vesalius volta wallace watt weierstrass wiles wright yalow young yukawa zeppelin zuse`)
