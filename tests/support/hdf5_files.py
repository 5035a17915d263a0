"""HDF5 files for tests: two that h5py wrote, and a writer of its older form by hand.

`WRITTEN` was made by h5py 3.16 (HDF5 2.0) with nothing but default settings: groups, datasets
of several types, in one piece, in chunks and compressed, links of all kinds, and a group of
more names than one node holds. `NEWER` has one dataset, written with `libver="latest"`.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping

import numpy as np

from support.model_files import Array

MANY = 20  # datasets in the group "many", of two elements each


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode("".join(text.split())))


# fmt: off
WRITTEN = unpacked(r"""
c-
rk<PfQe77=JUn&=s{VQ446ROIr>8E2xN&m@=z?OM|e88vIk;m0euox=R6FXqyyoG))?M!}LOLG>r+pd1*p#_U2J;cxmdvL@x
~<8vD(>@6GOeyF0rmjyv#v=9iB*^X<&?&G+8>-uJ%2?*nZen=5uy5FH*5aT71e#4E(pLB7q-
hfpdgr%=wR?6}J~SB=NLczvIXwqtnw+}ZYaUHg>)cAvlpR8|v-^@u>bKd8%oY}cWDsPcO8@I-
WEl#t|DjLO?%(GfU)E1a0f^wWkS?^}ufD*E*%5<vfcpKK!@ax*#-9=&!4?m3i9!0{SIF+S-
v@9E+Ci7uyH>7P%Z>giGlen8OEaTF!{b<0r3qVae#<NGdbk-
j1!At50lAt50lAt50lQL0dkf9d=d%R9_(rR_)CsVtNy3+|xOBTc$4A?C?gHuw2<UM~_&j7CX1zZ7`G`}TGBv?;`G`rXu4=GP
>rAN%ll&1qiGkL_?L|NZxV!s~ToJF$mK)^C2?!|R3HsJz?Z>~Y{h6>UGRDQ+C--zCQZISyox1IsnM-kq?XC134vKr#Jpx{B|
Qq904FY#dnFN!v>w6*msd`}pTCvA)LvbN_S~ugCVo4imn=YO6F3%<SZ^EBdiSzHy+8+Du_>y7Q^1^Z?rr#I3}vwhNxPu372Z
4bd5mysA8;>N`AN22V&oud4Kd9`q2GvRo^83}XD9+JpL)YWmgeZfkuu?s-
3!zLbs0R@%ii;3RNX)BR25{Ea?;MNtI568&on`kt3ml#z-
p1^vs15q!Duou*37NGFJvZ#EWJA#^rY^UlWq?xnJst$t4B?qd>bdp4dI#?qmathc!hKMR<nIrEI%9#w(8D?Qp#zkJ!jud=ge
5xyEF-HTiCj7AzalEzoALcRF&y4>r`nUa1EEL*|s^UZ#1eO7Js^8sr;7De4ZXsyTk|FfpG;ML2m+5W}P8gA5doBrlCRJ|TzM
kUsMc41%cb<A`LM{YD4bLH%RynV{d*;23%;j72;+vm=H{t6{-
A4PS!SMD@8NY$=1l>OmAZs#evP=mBi(j}K3kQK6znicZb(I7=7X6Itg)8X&xYc~Rv^X<$#^V{pUgZ!0CBlK4aT0|2Ttwk?>T
!IBu^^ZeomvNV>$LQgvK8=aNLB2)%vtzt{#Qt!oi9hcX&fgNwi$%2en{rQwZW;MWNJvOXNW5cYC;bRn050j%x*wtfpbyvp)P
O-?2sjL!1Wo~`fiu8a;2dxs_yD*7d<c95d<<Ly{sVjtTn3Vp5Dfr5z)e6ea2v21_#w~-
{1jLRJP2$6HUgW0Cx9BT4Hy7+0fWGEz<%HrU<eoi#(;6)FmMbw4*d3{LdxH2{J0U$E5`NGX%;<djYJ3I;jyS02W7;W{~b@?G
9ye1*%&`&Zys*Sqkl*UEHxS5Nk~XYNJy-Cj9(oHRWBOhlTz%KQjJ1#z6hPpJ`y4O*y*QN5VKRIy``il-
q{P?Dk)sJK}<W5obA^y+z>aN&8Jrqb{ZWB$HOCp3?;^l_HEn?yFPS-%49OG%YoSK#LZ}g-1vHESZ|L-
$Bhppl8LBso#dd=uBUJO*Bb@R^?EsDy^(f|g-0Tp{@A?2?@6}^-
y_4=E>u9mytSjwT90k*Ui4e*u?^L~_gL!%QL?Aba`ycscdXu`SznKBI1lbyy){PW_si#<66+IUfg<z!Uxb2vMez4GMLAphdo
*QyGycJl&tk_&{W#t)cgc_Vf&%q#cV7Q~`UStDpZF59FxajgAUL|??|puCe@}_h@b3^h@Ejh$8-
2U?UHR_u>&6?0yZD~VP+EJX;tNWPoyE=PEnU`nY~0$=Z>`7rf9=J!;n(*0SLYcg_!rHqPqx};mvFZ;>_Q7#?6b>6k2CC|@4s
j^+U2L9L;8`X(>}ZW+UpFv==*fDHrnOSv(B)KzIVA`qg@vJoM9JzKX=JSyF9(%kom|_pmA%tS%QAI$6BA&+}$g%fMofw-
+K#B-a7s|TU=i2NndgKsuve*H>I9&^V`=SlzwOQ2d`1{VV_-UE;_?5KBErC#&z^1XV|5|s134l{dd_R@w`zlW#jtqiZkpIG-
}9fj9afdDIdlD0D8+MYkjs4)qB}m&wQouN`X}to7b;8Jwgf@^@%pd|JR(+?}m+<P5bQfBIJ<#f>Fn6pItUwcZOZ2jM`rN>@p
N_&Ny9eeyb<fto7LomoG!sdaRnI@_K=+56Z71)_QE8viD4ZsFuwS-
F91Y+Nc}1&%d4wIw>EK!i9SZ{{m0y2ul2)A5x7d@g2StzH67l0`e3t=u<81It?ffqdbE0D9T2Z$51w*JdUy%Wedr8T;ze{;)
5CEU4{Pvc$+Ce
""")
NEWER = unpacked(r"""
c-
rgqaB<`1lHy|K;9!7(|4?w95yCfsinp7~pZ51~31VWXU=l)B2m@S93_vYxJPbgJv3xVkJP!t{fr&TX`GcJRw182Bfq{vUk&z
852cwxq7#IZ=<QZ7NJOu`E4hHdhAd3~~I%X~opv##V_d~rV0W)|5!;k|@eYhJStOk1^;Q&NH+yKN28~{KBD<l
""")
# fmt: on

TYPES = {
    np.dtype(np.float32): bytes.fromhex("11201f000400000000002000170800177f000000"),
    np.dtype(np.float16): bytes.fromhex("11200f0002000000000010000a05000a0f000000"),
    np.dtype(np.int8): bytes.fromhex("100800000100000000000800"),
}
"""The message of an element type."""


def message(kind: int, data: bytes, flags: int = 0) -> bytes:
    data += bytes(-len(data) % 8)
    return struct.pack("<HHB3x", kind, len(data), flags) + data


def header(*messages: bytes) -> bytes:
    joined = b"".join(messages)
    return struct.pack("<BxHII4x", 1, len(messages), 1, len(joined)) + joined


def dataset(array: Array, address: int) -> bytes:
    """The header of a dataset whose elements are at an address."""
    sides = struct.pack(f"<BB6x{array.ndim}Q", 1, array.ndim, *array.shape)
    layout = struct.pack("<BBQQ", 3, 1, address, array.nbytes)
    return header(message(1, sides), message(3, TYPES[array.dtype]), message(8, layout))


def superblock(root: int) -> bytes:
    front = b"\x89HDF\r\n\x1a\n" + struct.pack("<8B2HI", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0)
    nowhere = 2**64 - 1
    return front + struct.pack("<4Q", 0, nowhere, 0, nowhere) + struct.pack("<2Q24x", 0, root)


def hdf5_file(tensors: Mapping[str, Array]) -> bytes:
    """A file of datasets in one group, whose names have no "/"."""
    file = bytearray(superblock(96))
    file += header(message(17, bytes(16)))
    names = bytearray(8)
    entries = b""
    for name, array in tensors.items():
        place = len(names)
        names += name.encode() + b"\0"
        at = len(file)
        file += array.tobytes() + bytes(-array.nbytes % 8)
        entries += struct.pack("<2Q24x", place, len(file))
        file += dataset(array, at)
    leaf = len(file)
    file += struct.pack("<4sBxH", b"SNOD", 1, len(tensors)) + entries
    tree = len(file)
    nowhere = 2**64 - 1
    file += struct.pack("<4sBBH2Q3Q", b"TREE", 0, 0, 1, nowhere, nowhere, 0, leaf, 0)
    heap = len(file)
    file += struct.pack("<4sB3x3Q", b"HEAP", 0, len(names), nowhere, heap + 32) + names
    struct.pack_into("<2Q", file, 96 + 16 + 8, tree, heap)
    return bytes(file)
