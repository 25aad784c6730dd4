"""Reads TFRecord files by the official definitions (tensorflow/core/example/{example,feature}.proto) and prints a line of JSON
for each record. Needs the package protobuf; the checksum is computed here, bit by bit, from RFC 3720."""

import json
import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")


def message(name, *fields, parent=None, **options):
    made = (parent.nested_type if parent else file.message_type).add(name=name)
    for field_name, number, kind, label, type_name, packed in fields:
        field = made.field.add(name=field_name, number=number, type=kind, label=label)
        if type_name:
            field.type_name = type_name
        if packed:
            field.options.packed = True
    return made


ONE, MANY = FIELD.LABEL_OPTIONAL, FIELD.LABEL_REPEATED
message("BytesList", ("value", 1, FIELD.TYPE_BYTES, MANY, None, False))
message("FloatList", ("value", 1, FIELD.TYPE_FLOAT, MANY, None, True))
message("Int64List", ("value", 1, FIELD.TYPE_INT64, MANY, None, True))
feature = message(
    "Feature",
    ("bytes_list", 1, FIELD.TYPE_MESSAGE, ONE, ".tensorflow.BytesList", False),
    ("float_list", 2, FIELD.TYPE_MESSAGE, ONE, ".tensorflow.FloatList", False),
    ("int64_list", 3, FIELD.TYPE_MESSAGE, ONE, ".tensorflow.Int64List", False),
)
feature.oneof_decl.add(name="kind")
for field in feature.field:
    field.oneof_index = 0
features = message("Features", ("feature", 1, FIELD.TYPE_MESSAGE, MANY, ".tensorflow.Features.FeatureEntry", False))
entry = message(
    "FeatureEntry",
    ("key", 1, FIELD.TYPE_STRING, ONE, None, False),
    ("value", 2, FIELD.TYPE_MESSAGE, ONE, ".tensorflow.Feature", False),
    parent=features,
)
entry.options.map_entry = True
message("Example", ("features", 1, FIELD.TYPE_MESSAGE, ONE, ".tensorflow.Features", False))
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Example = message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


def masked(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


for path in sys.argv[1:]:
    with open(path, "rb") as records:
        while head := records.read(12):
            length, checksum = struct.unpack("<QI", head)
            assert checksum == masked(head[:8]), "checksum of the length"
            data = records.read(length)
            assert struct.unpack("<I", records.read(4))[0] == masked(data), "checksum of the data"
            example = Example()
            assert example.ParseFromString(data) == length
            found = example.features.feature
            print(json.dumps({
                "ink": list(found["ink"].float_list.value),
                "shape": list(found["shape"].int64_list.value),
                "class_index": list(found["class_index"].int64_list.value),
                "names": sorted(found),
            }))
